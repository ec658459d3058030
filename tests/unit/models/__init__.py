"""Tests of `undertow.models`."""
