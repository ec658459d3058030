"""Tests of `undertow.api`."""
