"""A user's own network as the subject of a study: how it is built, on what data, what is in it."""

import hashlib
import inspect
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.core.record import Layer
from undertow.data.arrays import Arrays
from undertow.data.split import batches, hold_back, standardised
from undertow.experiment.pair import Source, build
from undertow.instrument.probe import rows_of
from undertow.nn.blocks import shape_preserving
from undertow.nn.copying import copied
from undertow.nn.loss import criterion
from undertow.nn.optimizer import from_choices
from undertow.nn.surgery import edited, scaled_weights
from undertow.preflight.case import guarded, logits, plain_step
from undertow.studies.study import Cell

HELD_BACK = 0.2  # share of the data, as in the studies of the book
PROBE = 64  # samples that start statistics are taken on
EDITS = {"to_act": "act", "to_norm": "norm", "to_init": "init", "to_skip": "skip"}


@dataclass(frozen=True, eq=False)
class Given:
    """A live module in the place of a build function: every cell gets a copy of it."""

    net: nn.Module

    def __call__(self) -> nn.Module:
        """A copy, weights and all."""
        return copied(self.net)


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to ask studies of; `name` and `data` as a user would type them."""

    name: str
    source: Source
    data: Arrays
    typed: str

    @cached_property
    def parts(self) -> tuple[Arrays, Arrays]:
        """Training and held-back part, standardised as training would; the same for every seed."""
        kept, held = hold_back(self.data, HELD_BACK, seed=0)
        wanted = self.source.choices.standardise
        on = self.data.standardise if wanted is None else wanted
        if not on:
            return kept, held
        train, other = standardised(kept, held)
        return train, other

    def loss(self, out: Any, y: Tensor) -> Tensor:
        """The training's own loss, of plain outputs or of the main ones among auxiliary heads."""
        call, _ = criterion(self.source.loss or self.source.choices.loss, self.data.y)
        return call(logits(out), y)

    def batch(self, seed: int) -> tuple[Tensor, Tensor]:
        """The batch of a seed that start statistics are taken on."""
        size = min(PROBE, self.source.choices.batch)
        return next(batches(self.parts[0], size, seed, 1))

    def plain(self, seed: int) -> nn.Module:
        """The network as its owner builds it."""
        return build(self.source, (), self.data, seed)

    def net(self, cell: Cell) -> nn.Module:
        """The network of a cell: as built, and what the arm changes done to it."""
        net = self.plain(cell.seed)
        edits = [Edit(f, str(w)) for n, f in EDITS.items() if (w := cell.get(n)) is not None]
        if edits:
            net = edited(net, edits, self._rows(net), cell.seed, self._run)
        if cell.get("weights") is not None:
            net = scaled_weights(net, cell.number("weights"), self._rows(net))
        return net

    def _run(self, net: nn.Module) -> object:
        with torch.no_grad():
            return net(self.batch(0)[0][:2])

    def _rows(self, net: nn.Module) -> tuple[Layer, ...]:
        return rows_of(net, torch.zeros(2, *self.data.shape))

    @cached_property
    def facts(self) -> "Facts":
        """What a study needs to know before it can be asked.

        Raises:
            UsageError: the network does not run on the data.
        """
        net = self.plain(0)
        x, y = self.batch(0)
        try:
            with guarded(0):
                rows = self._rows(net)
                blocks = shape_preserving(copied(net).eval(), lambda m: m(x[:2]))
                seconds = self._step(net, x, y)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            shape = "x".join(map(str, self.data.shape))
            why = str(error).splitlines()[0]
            raise UsageError(
                f"{self.name} does not run on inputs of {shape} from {self.typed}: {why};"
                " give --data of the shape it takes, as synthetic:3x32x32:10"
            ) from error
        return Facts(rows, blocks, self.data.classes, seconds)

    def _step(self, net: nn.Module, x: Tensor, y: Tensor) -> float:
        """Seconds of one training step on a copy, the second one taken."""
        net = copied(net).train()
        optimizer = from_choices(self.source.choices, net.parameters())
        step = plain_step(self.loss)
        for _ in range(2):
            began = time.perf_counter()
            optimizer.zero_grad()
            step(net, (x, y)).backward()
            optimizer.step()
        return time.perf_counter() - began

    @cached_property
    def identity(self) -> str:
        """Hex digits over weights of two seeds, code of the classes and the data."""
        digest = hashlib.sha256(f"{self.name}{self.source.choices}".encode())
        for seed in (0, 1):
            net = self.plain(seed)
            digest.update(repr(net).encode())
            for path, value in net.state_dict().items():
                digest.update(path.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        digest.update(_sources(net).encode())
        digest.update(self.data.fingerprint.encode())
        return digest.hexdigest()


def _sources(net: nn.Module) -> str:
    """The files the classes of a network's modules stand in, where they can be read."""
    found = set()
    for kind in {type(m) for m in net.modules()}:
        if kind.__module__.startswith("torch."):
            continue
        try:
            found.add(inspect.getsourcefile(kind) or "")
        except TypeError:  # typed in at a prompt
            continue
    held = [Path(f) for f in sorted(found) if f and Path(f).is_file()]
    return "".join(f.read_text(encoding="utf-8") for f in held)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one pass says of a network: its layers, blocks that keep their input's shape, time."""

    rows: tuple[Layer, ...]
    blocks: tuple[str, ...]
    classes: int
    step_s: float

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """The layers with weights before the head."""
        return tuple(y for y in self.rows if y.role == "hidden")

    @property
    def acts(self) -> frozenset[str]:
        """The words of the activations its hidden layers feed."""
        return frozenset(y.act for y in self.hidden if y.act and y.act != "identity")

    @property
    def bare(self) -> int:
        """Hidden layers that feed an activation without a norm between them."""
        return sum(bool(y.act) and not y.norm for y in self.hidden)
