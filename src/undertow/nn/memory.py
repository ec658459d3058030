"""Whether an error says that memory was asked for and not given."""

import torch

WORDS = ("allocate memory", "not enough memory")  # torch's own on a CPU, where it has no class


def short_of_memory(error: Exception) -> bool:
    """Whether an error says that memory was asked for and not given."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or any(words in str(error) for words in WORDS)
