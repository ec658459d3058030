"""Causes, one rule each: what in the plan or the layers explains the symptoms."""
