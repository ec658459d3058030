"""Tests of `undertow.use`."""
