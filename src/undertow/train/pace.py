"""How fast a training goes: samples a second, the share of it spent waiting for data, memory."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch

T = TypeVar("T")
STARVED = 0.2  # share of the time from which waiting for data is told,
LEAST = 1.0  # once it is so many seconds: less is gained by nothing


class Pace:
    """Counted from one evaluation to the next; evaluations and checkpoints are left out."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._waited, self._samples = 0.0, 0
        self._since = time.perf_counter()
        self.starved = 0.0  # the largest share waited so far, above the limits

    def timed(self, feed: Iterable[T]) -> Iterator[T]:
        """The same items; how long each was waited for is counted."""
        items = iter(feed)
        while True:
            began = time.perf_counter()
            item = next(items, None)
            self._waited += time.perf_counter() - began
            if item is None:
                return
            yield item

    def took(self, samples: int) -> None:
        """A step over so many samples is done."""
        self._samples += samples

    def told(self) -> dict[str, float]:
        """Samples a second, the share waited and the memory's peak in bytes, since `again`."""
        spent = max(time.perf_counter() - self._since, 1e-9)
        share = min(1.0, self._waited / spent)
        if share > STARVED and self._waited >= LEAST:
            self.starved = max(self.starved, share)
        return {
            "samples_per_s": self._samples / spent,
            "data_wait": share,
            "peak_bytes": float(self._peak()),
        }

    def again(self) -> None:
        """Count anew from here."""
        self._waited, self._samples, self._since = 0.0, 0, time.perf_counter()

    def _peak(self) -> int:
        """Of the device, or of this process since its start; 0 where the system does not say."""
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        try:
            import resource
        except ImportError:  # not on this system
            return 0
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
