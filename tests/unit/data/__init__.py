"""Tests of `undertow.data`."""
