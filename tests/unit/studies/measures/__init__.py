"""Tests of what studies measure."""
