"""Plain nets with an activation or a start that no word of the vocabulary has."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import unknown
from undertow.instrument.probe import Probe
from undertow.studies.measures import nets, start, training
from undertow.studies.study import Cell


class Centred(nn.Module):
    """σ(x) − ½: the sigmoid moved to mean 0."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        return torch.sigmoid(x) - 0.5


class Raised(nn.Module):
    """(tanh x + 1)/2: tanh moved off 0, into (0, 1)."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (N, ...)."""
        return (torch.tanh(x) + 1) / 2


MOVED = {"sigmoid - 1/2": (nn.Sigmoid, Centred), "(tanh + 1)/2": (nn.Tanh, Raised)}


def made(cell: Cell, shape: tuple[int, ...]) -> nn.Module:
    """The cell's net; its activation moved (`moved`), its leak set (`leak`), its weights equal."""
    model = nets.net(cell, shape)
    moved, leak = cell.get("moved"), cell.get("leak")
    if moved is not None:
        if moved not in MOVED:
            raise unknown("moved", moved, MOVED)
        old, new = MOVED[str(moved)]
        nets.swap(model, old, new())
    if leak is not None:
        nets.swap(model, nn.LeakyReLU, nn.LeakyReLU(cell.number("leak")))
    if cell.get("equal"):
        with torch.no_grad():
            for layer in nets.hidden(model):
                layer.weight.fill_(1 / layer.weight[0].numel())
    return model


def speed(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Epochs to 95 % training accuracy at the best of the rates."""
    return training.epochs_to_target(cell, lambda shape: made(cell, shape))


def outcome(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The outcome of training the changed net, and `spread`: how far apart its units end.

    `spread` is the largest over the first layer's units of ‖w_i − w_1‖/‖w_1‖.
    """
    data, held = nets.split(cell)
    model = made(cell, data.shape)
    found = training.judged(cell, model, data, held)
    weight = nets.hidden(model)[0].weight.detach().flatten(1)
    apart = (weight - weight[0]).norm(dim=1).max() / weight[0].norm()
    return {**found, "spread": float(apart)}


def units(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """After training: `dead`, the share of units ≤ 0 for every training sample, and `zeros`.

    `dead` and `zeros` (the share of outputs that are exactly 0) are means over the hidden layers;
    `zeros_at_start` is the same before training. Non-finite runs count as wholly dead.
    """
    data, held = nets.split(cell)
    model = made(cell, data.shape)
    acts = tuple(m for m in model.modules() if isinstance(m, nn.ReLU | nn.LeakyReLU | nn.Sigmoid))
    first = _zeros(training.outputs(model, nets.images(data), acts))
    before = _silent(training.outputs(model, nets.images(data), acts))
    found = training.train(cell, model, data)
    share = training.accuracy(found, data, held, cell)
    outs = training.outputs(model.eval(), nets.images(data), acts)
    bad = found.bad is not None
    return {
        "dead": 1.0 if bad else _silent(outs),
        "dead_at_start": before,
        "zeros": 1.0 if bad else _zeros(outs),
        "zeros_at_start": first,
        "accuracy": share,
        "lasted": 1.0 if found.bad is None else found.bad / cell.steps,
    }


def _silent(outs: list[Tensor]) -> float:
    """Share of units at or below 0 for all samples; for a leaky unit its input then is, too."""
    return sum(float((o <= 0).all(0).float().mean()) for o in outs) / len(outs)


def _zeros(outs: list[Tensor]) -> float:
    return sum(float((o == 0).float().mean()) for o in outs) / len(outs)


def with_head(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Decades of the gradient at the start with the auxiliary head's loss, then the outcome."""
    x, y = nets.batch(cell)
    model = Headed(nets.net(cell, tuple(x.shape[1:])))
    probe = Probe(model)
    with probe.sampling():
        model.loss(model(x), y).backward()
    snap = probe.read(0)
    begun = start.Start(probe.layers, snap, model, 0.0)
    inner = tuple(
        v
        for layer, v in zip(begun.layers, snap.column("grad_l2"), strict=False)
        if v is not None and ".layers." in layer.path
    )
    found = start.of_profiles(inner, (1.0,) * len(inner))
    data, held = nets.split(cell)
    fresh = Headed(nets.net(cell, data.shape))
    trained = training.train(cell, fresh, data, fresh.loss)
    share = training.accuracy(trained, data, held, cell)
    middle = max(len(inner) // 2, 1)
    return {
        **found,
        "lower": nets.log_ratio(inner[middle - 1], inner[0], start.CAP),
        "accuracy": share,
        "loss": trained.loss,
        "gradient": inner,
    }


class Headed(nn.Module):
    """A plain net whose training loss has its auxiliary head's share in it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.other: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Logits; those of the auxiliary head are kept for the loss."""
        if getattr(self.model, "aux", None) is None:
            self.other = None
            out: Tensor = self.model(x)
            return out
        both = self.model.forward_aux(x)  # type: ignore[operator]
        self.other = both.aux.get("aux")
        main: Tensor = both.logits
        return main

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy, and .3 of the auxiliary head's (Szegedy et al. 2015, sec. 5)."""
        main = F.cross_entropy(out, y)
        if self.other is None:
            return main
        return main + float(getattr(self.model, "aux_weight", 0.0)) * F.cross_entropy(self.other, y)
