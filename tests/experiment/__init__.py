"""Seeded runs of the whole: each must show its effect."""
