"""Comparisons with the reference library itself; run by scripts/oracle."""
