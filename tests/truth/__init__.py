"""Numbers from outside: published counts, keys, outputs and checkpoints."""
