"""Tests of `undertow.preflight`."""
