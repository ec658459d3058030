"""What is measured on a user's own network: its start, a short training, single blocks."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.plan import Edit
from undertow.data.arrays import Arrays
from undertow.instrument.probe import Probe
from undertow.nn.optimizer import from_choices
from undertow.nn.skip import zero_gamma
from undertow.preflight.case import guarded, plain_step
from undertow.studies.measures import nets, start, training
from undertow.studies.own.subject import Subject
from undertow.studies.study import Cell, Measured

Ask = Callable[[Subject, Cell], Measured]
FRESH = 512  # training samples that dead units are looked for on
BLOCKS = 8  # blocks taken out, at most
BINS = 10  # of a calibration error


@dataclass(frozen=True, eq=False)
class On:
    """The measure of a study asked of a network; it pickles where the network does."""

    subject: Subject
    ask: Ask

    @property
    def __name__(self) -> str:
        return self.ask.__name__

    def __call__(self, cell: Cell) -> Measured:
        """The statistics of a cell."""
        return self.ask(self.subject, cell)


def at_start(subject: Subject, cell: Cell) -> Measured:
    """Gradient, signal, saturation and one update of the network before any training.

    `decades` are lost from the last hidden layer to the first, `factor` is that a layer; `grown`
    and `signal` the same of the root mean square of the outputs on their way forward; `saturated`
    and `zeros` are mean shares, `lag` the decades by which the first layer's update stays behind.
    """
    net = subject.net(cell)
    if cell.get("zero_gamma"):
        zero_gamma(net)
    found = _pass(subject, cell, net, *subject.batch(cell.seed))
    g, a = found.profile("grad_l2"), found.profile("act_rms")
    updates = found.profile("update_ratio")
    return {
        **start.of_profiles(g, a),
        "saturated": _mean(found.profile("saturated")),
        "dead": _mean(found.profile("dead")),
        "lag": nets.log_ratio(updates[-1], updates[0], start.CAP) if updates else 0.0,
        "gradient": g,
        "forward": a,
    }


def _pass(subject: Subject, cell: Cell, net: nn.Module, x: Tensor, y: Tensor) -> start.Start:
    """One step under the probe, in training mode."""
    net.train()
    optimizer = from_choices(cell.plan.train, [p for p in net.parameters() if p.requires_grad])
    probe = Probe(net)
    with guarded(cell.seed), probe.sampling():
        loss = plain_step(subject.loss)(net, (x, y))
        loss.backward()
    probe.before_update()
    optimizer.step()
    return start.Start(probe.layers, probe.read(0), net, loss.detach().item())


def _mean(shares: tuple[float, ...]) -> float:
    return sum(shares) / len(shares) if shares else 0.0


def zeros(subject: Subject, cell: Cell) -> Measured:
    """`zeros`: share of the activations' outputs that are exactly 0 before training."""
    net = subject.net(cell).eval()
    shares: list[float] = []

    def look(module: nn.Module, _: Any, out: Any) -> None:
        if isinstance(out, Tensor) and not list(module.children()):
            shares.append(float((out == 0).float().mean()))

    sites = [m for m in net.modules() if isinstance(m, ACTIVATIONS)]
    handles = [m.register_forward_hook(look) for m in sites]
    with torch.no_grad(), guarded(cell.seed):
        net(subject.batch(cell.seed)[0])
    for handle in handles:
        handle.remove()
    return {"zeros": _mean(tuple(shares)), "each": tuple(shares)}


ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU)


def after_training(subject: Subject, cell: Cell) -> Measured:
    """A short training at the arm's rate: `loss`, `accuracy`, `lasted`, `dead` units, `error`.

    The arm's `rate` multiplies the network's own learning rate; `scale` and `shift` change its
    inputs. `error` is the expected calibration error of the largest softmax output.
    """
    data, held = _parts(subject, cell)
    net, at = subject.net(cell), _at_rate(cell)
    found = training.train(at, net, data, subject.loss)
    share = training.accuracy(found, data, held, at)
    bad = found.bad is not None
    return {
        "accuracy": share,
        "loss": found.loss,
        "lasted": 1.0 if found.bad is None else found.bad / cell.steps,
        "dead": 1.0 if bad else _dead(subject, cell, net, data),
        "error": 1.0 if bad else _calibration(net, held),
        "curve": found.losses,
    }


def _at_rate(cell: Cell) -> Cell:
    rate = (cell.plan.train.lr or 0.02) * cell.number("rate", 1.0)
    return replace(cell, plan=cell.plan.edit([Edit("lr", rate)]))


def _parts(subject: Subject, cell: Cell) -> tuple[Arrays, Arrays]:
    train, held = subject.parts
    scale, shift = cell.number("scale", 1.0), cell.number("shift")
    if scale == 1.0 and shift == 0.0:
        return train, held
    made = [replace(p, x=p.x[:] * scale + shift) for p in (train, held)]
    return made[0], made[1]


def _dead(subject: Subject, cell: Cell, net: nn.Module, data: Arrays) -> float:
    """Mean share of units silent for all of 512 training samples."""
    x, y = data.x[:FRESH], data.y[:FRESH]
    return _mean(_pass(subject, cell, net, x, y).profile("dead"))


@torch.no_grad()
def _calibration(net: nn.Module, held: Arrays) -> float:
    """Mean over 10 bins of |share right − mean confidence|, by size (Guo et al. 2017, eq. 3)."""
    net.eval()
    p, guess = net(held.x[:]).softmax(1).max(1)
    right, total = (guess == held.y).float(), 0.0
    for low in range(BINS):
        inside = (p > low / BINS) & (p <= (low + 1) / BINS)
        if inside.any():
            gap = (right[inside].mean() - p[inside].mean()).abs()
            total += float(gap) * float(inside.float().mean())
    return total if math.isfinite(total) else 1.0


def lesion(subject: Subject, cell: Cell) -> Measured:
    """`loss_of_one`: mean accuracy lost when one block of the trained network is left out."""
    data, held = subject.parts
    net = subject.net(cell)
    found = training.train(cell, net, data, subject.loss)
    intact = training.accuracy(found, data, held, cell)
    lost = []
    for path in subject.facts.blocks[:BLOCKS]:
        with _left_out(net.get_submodule(path)):
            lost.append(intact - (training.right_share(net, held) or 0.0))
    return {
        "intact": intact,
        "loss_of_one": _mean(tuple(lost)),
        "loss": found.loss,
        "each": tuple(lost),
    }


@contextmanager
def _left_out(block: nn.Module) -> Iterator[None]:
    """The block gives back its input inside."""
    handle = block.register_forward_hook(lambda m, inputs, out: inputs[0])
    try:
        yield
    finally:
        handle.remove()
