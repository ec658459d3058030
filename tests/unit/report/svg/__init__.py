"""Tests of `undertow.report.svg`."""
