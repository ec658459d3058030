"""Symptoms, one rule each: Record in, what is wrong and where out, never why."""
