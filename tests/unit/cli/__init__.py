"""Tests of `undertow.cli`."""
