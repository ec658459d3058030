"""Layer 4: one readable loop, its checkpoints, what it writes."""
