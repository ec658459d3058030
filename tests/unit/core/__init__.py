"""Tests of `undertow.core`."""
