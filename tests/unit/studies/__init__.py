"""Tests of undertow.studies."""
