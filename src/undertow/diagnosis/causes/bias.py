"""The bias: it pushes units to where the activation is off or flat."""

import math
from collections.abc import Iterator, Sequence

from undertow.core.derive import STILL, first
from undertow.core.finding import Cause, Evidence, Symptom
from undertow.core.record import Layer, Record
from undertow.core.rule import rule
from undertow.diagnosis.causes.standing import settle

PUSH = 2.0  # standard deviations of Wx that the mean bias exceeds (diagnosis.md, section 6)
CHANCE = 3.0  # standard errors from 0, so that a random draw is not taken for a choice


@rule(
    "bias",
    "bias",
    "The biases hold units off from the start",
    answers={
        "dead-units", "saturated-units", "signal-collapse", "vanishing-gradient",
        "zero-gradient", "no-progress",
    },
    source="Lu et al. 2019, sec. 2; limit: diagnosis.md, section 6",
)  # fmt: skip
def bias(record: Record, symptoms: Sequence[Symptom]) -> Iterator[Cause]:
    """Suspect biases larger than twice what the weights bring, in layers without a norm."""
    sick = any(s.name in bias.answers for s in symptoms)
    pushed = _pushed(record) if sick else {}
    because = ""
    if pushed:
        worst = max(pushed, key=lambda y: pushed[y])
        because = (
            f"{worst.path} starts with biases of mean {worst.bias_mean:.3g}, {pushed[worst]:.3g} "
            f"standard deviations of its weighted input; limit {PUSH:g}"
        )
    seen = tuple(Evidence("bias_over_input", y.path, 0, r, PUSH) for y, r in pushed.items())
    yield from settle(record, "bias", because, seen, tuple(y.path for y in pushed))


def _pushed(record: Record) -> dict[Layer, float]:
    """Layer -> |mean bias| in standard deviations of Wx, where it exceeds the limit."""
    out: dict[Layer, float] = {}
    start = first(record)
    sizes = {} if start is None else record.profile("act_rms", start)
    incoming = record.input.rms
    for y in record.layers:
        if y.role == "norm":
            continue
        push = _push(y, incoming)
        if push is not None and push > PUSH:
            out[y] = push
        incoming = sizes.get(y.path, incoming)
    return out


def _push(layer: Layer, incoming: float | None) -> float | None:
    if layer.bias_mean is None or layer.weight_std is None or incoming is None or layer.act == "":
        return None
    if layer.norm not in STILL or layer.role != "hidden":
        return None
    error = (layer.bias_std or 0.0) / math.sqrt(max(1, layer.units))
    size = layer.weight_std * math.sqrt(layer.fan_in) * incoming
    if abs(layer.bias_mean) <= CHANCE * error or size <= 0 or not math.isfinite(size):
        return None
    return abs(layer.bias_mean) / size
