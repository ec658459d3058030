"""The run folder: written while a net trains, read for judgement; no torch."""
