"""Layer 3: data as tensors in memory: digits, synthetic shapes, .npz files; splits and orders."""

from undertow.data.arrays import Arrays, load
from undertow.data.split import batches, hold_back

__all__ = ["Arrays", "batches", "hold_back", "load"]
