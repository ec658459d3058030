"""Tests of the measuring parts."""
