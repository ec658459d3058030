"""Exponential moving average of the weights; buffers are copied."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """w̄ ← d·w̄ + (1 − d)·w after every step, with d rising to `decay` as (1 + t)/(10 + t).

    The warm-up keeps early averages from remembering the random start (as in TensorFlow's
    ExponentialMovingAverage with `num_updates`).
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.net, self.decay = net, decay
        self.steps = 0
        self.held = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        rate = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        named = self.net.named_parameters(remove_duplicate=False)
        trained = {k for k, p in named if p.requires_grad}
        for key, value in self.net.state_dict().items():
            if key in trained:
                self.held[key].lerp_(value, 1 - rate)
            else:
                self.held[key].copy_(value)

    def load(self, held: Mapping[str, Tensor], steps: int) -> None:
        """Go on from stored averages."""
        self.steps = steps
        for key, value in held.items():
            self.held[key].copy_(value)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The net holds the averages inside, and its own weights again afterwards."""
        state = self.net.state_dict()
        own = {k: v.detach().clone() for k, v in state.items()}
        with torch.no_grad():
            for key, value in state.items():
                value.copy_(self.held[key])
            try:
                yield
            finally:
                for key, value in state.items():
                    value.copy_(own[key])
