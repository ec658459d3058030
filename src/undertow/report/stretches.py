"""Plain stretches of any net: the gradient's measured factor a layer beside mean-field theory's."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from undertow.core.activation import FACTS
from undertow.core.decay import theil_sen
from undertow.core.derive import first
from undertow.core.record import Layer, Record
from undertow.core.theory import mean_field
from undertow.report.numbers import number, span

SHORTEST = 5  # layers: as many as a slope of the gradient is judged over (UT101)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Layers in a row with one activation and no norm between them, at the start of training.

    `measured` is the gradient kept a layer towards the input (Theil-Sen over the stretch),
    `theory` the same for infinitely wide layers with these weights and biases, √χ₁.
    """

    layers: tuple[str, ...]
    act: str
    measured: float
    theory: float


def stretches(record: Record) -> tuple[Stretch, ...]:
    """The plain stretches of five layers or more, input first.

    () for a plan with skips, and where the start was not measured. Whether a module given as code
    adds skips of its own cannot be told from its layers.
    """
    if record.plan is not None and record.plan.choices.skip not in {None, "none"}:
        return ()
    snap = first(record)
    grads = {} if snap is None else record.profile("grad_l2", snap)
    return tuple(s for group in _groups(record) if (s := _stretch(group, grads)) is not None)


def stretch_words(record: Record) -> tuple[str, ...]:
    """`plain stretch l1–l9 (relu): gradient ×0.41 a layer, theory for wide layers ×0.41`."""
    order = [y.path for y in record.layers]
    return tuple(
        f"plain stretch {span(s.layers, order)} ({s.act}): gradient ×{number(s.measured)} a layer "
        f"at the start, theory for wide layers ×{number(s.theory)}"
        for s in stretches(record)
    )


def _groups(record: Record) -> Iterator[list[Layer]]:
    """Neighbours that could be one stretch; the first layer sees the input's scale and is none."""
    group: list[Layer] = []
    for y in record.layers[1:]:
        if _plain(y) and (not group or group[-1].act == y.act):
            group.append(y)
            continue
        yield group
        group = [y] if _plain(y) else []
    yield group


def _plain(y: Layer) -> bool:
    known = y.weight_std is not None and y.fan_in > 0 and y.act in FACTS
    return known and y.role == "hidden" and not y.norm and "#" not in y.path


def _stretch(group: list[Layer], grads: dict[str, float]) -> Stretch | None:
    values = [grads[y.path] for y in group if y.path in grads]
    good = all(math.isfinite(v) and v > 0 for v in values)
    if len(group) < SHORTEST or len(values) < len(group) or not good:
        return None
    slope, _ = theil_sen([math.log10(v) for v in values])
    spread = median((y.weight_std or 0.0) ** 2 * y.fan_in for y in group)
    shift = median((y.bias_std or 0.0) ** 2 + (y.bias_mean or 0.0) ** 2 for y in group)
    chi = mean_field(group[0].act, spread, shift).chi1
    return Stretch(tuple(y.path for y in group), group[0].act, 10**-slope, math.sqrt(chi))
