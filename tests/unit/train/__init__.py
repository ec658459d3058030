"""Tests of `undertow.train`."""
