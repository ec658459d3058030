"""`undertow lab flow`: what signal, gradient and updates do on their way through a plain net."""

import textwrap
from collections.abc import Mapping

from undertow.core.plan import Choices, TrainChoices
from undertow.studies.flow import Flow, FlowRow, decades, flow_plan
from undertow.studies.flow import flow as measured
from undertow.studies.strips import strip

__all__ = ["Flow", "FlowRow", "flow", "flow_text"]


def flow(
    *,
    depth: int = 20,
    width: int = 256,
    act: str = "relu",
    init: str = "torch",
    norm: str = "none",
    skip: str = "none",
    optimizer: str = "sgd",
    lr: float = 0.02,
    clip_norm: float | None = None,
    input_scale: float = 1.0,
    seed: int = 0,
) -> Flow:
    """One forward and backward pass and one step, measured layer by layer, theory beside it.

    Args:
        depth: linear layers, 1 to 64.
        width: units of each.
        act: activation word.
        init: initialisation word.
        norm: none, batch, group or layer.
        skip: none, zero-pad, projection or all-projection.
        optimizer: sgd, adam, adamw or rmsprop.
        lr: learning rate of the step.
        clip_norm: the gradient's global L2 norm is cut to this before the step; None: it is not.
        input_scale: standard deviation of the input.
        seed: of weights and input.

    Raises:
        UsageError: a word, size or scale that cannot be.
    """
    choices = Choices(act=act, norm=norm, init=init, skip=skip)
    train = TrainChoices(optimizer=optimizer, lr=lr, clip_norm=clip_norm)
    given = flow_plan(choices, train, depth=depth, width=width, scale=input_scale, seed=seed)
    return measured(given)


def flow_text(found: Flow, *, width: int = 100, ascii_only: bool = False) -> str:
    """The flow as four strips over depth and its sentences, of at most `width` columns."""
    said = dict(found.settings)
    shown = ("depth", "width", "act", "init", *_unusual(said), "lr", "seed")
    head = " · ".join(said[n] if n in ("act", "init") else f"{n} {said[n]}" for n in shown)
    rows = found.rows
    lines = [head if not ascii_only else head.replace("·", "-")]
    for name, values in (
        ("forward", [r.forward for r in rows]),
        ("|dL/dh|", [r.gradient for r in rows]),
        ("|dL/dW|", [r.weight_gradient for r in rows]),
        ("update/W", [r.update for r in rows]),
    ):
        lines += ["", *strip(name, values, ascii_only=ascii_only)]
    lines += ["", f"{'':>20} input to output"]
    for sentence in _sentences(found):
        lines += textwrap.wrap(sentence, width, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


USUAL = {"norm": "none", "skip": "none", "optimizer": "sgd", "clip norm": "none"}


def _unusual(said: Mapping[str, str]) -> tuple[str, ...]:
    """The further settings that are not those of a plain net."""
    scaled = ("input scale",) if said["input scale"] != "1" else ()
    return (*(n for n, plain in USUAL.items() if said[n] != plain), *scaled)


FLAT = 0.1  # decades that are no change to speak of


def _moved(decades: float) -> str:
    """By how many decades, in words."""
    if abs(decades) < FLAT:
        return "keeps its size"
    return f"{'grows' if decades > 0 else 'falls'} by {abs(decades):.1f} decades"


def _signal_theory(found: Flow) -> str:
    """Theory's growth of the signal over the net, where there is one."""
    grown = decades([r.theory_forward for r in found.rows])
    return "" if grown is None else f", theory {grown:+.1f} decades over the net"


def _sentences(found: Flow) -> list[str]:
    theory = "no theory for norms and skips"
    if len(found.rows) < 2:
        theory = "a factor a layer needs two layers"
    if found.theory_factor is not None:
        theory = f"theory of wide layers x{found.theory_factor:.3f}"
    lost = decades([r.gradient for r in found.rows])
    grown = decades([r.forward for r in found.rows])
    lines = []
    if lost is not None and found.gradient_factor is not None:
        lines.append(
            f"the gradient {_moved(-lost)} from the last layer to the first:"
            f" x{found.gradient_factor:.3f} a layer, {theory}"
        )
    else:
        lines.append(f"the gradient underflows, overflows or has one layer only: {theory}")
    if grown is not None and found.signal_factor is not None:
        lines.append(
            f"the signal {_moved(grown)} from the first layer to the last:"
            f" x{found.signal_factor:.3f} a layer{_signal_theory(found)}"
        )
    dead = [r.dead for r in found.rows if r.dead is not None]
    flat = [r.saturated for r in found.rows if r.saturated is not None]
    if dead:
        lines.append(f"dead units: {100 * max(dead):.0f} % in the worst layer")
    if flat:
        lines.append(f"saturated inputs: {100 * max(flat):.0f} % in the worst layer")
    return lines
