"""Tests of `undertow.report`."""
