"""Tests of `undertow.experiment`."""
