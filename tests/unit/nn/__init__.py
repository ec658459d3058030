"""Tests of `undertow.nn`."""
