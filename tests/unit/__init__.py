"""Tests that mirror the source, file by file."""
