"""Measuring a network while it computes: hooks in, numbers out; the network is left as it was."""
