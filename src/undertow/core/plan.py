"""A run in names and numbers: what to build, how to train it, and edits of both."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace

from undertow.core.errors import UsageError, unknown

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Edit:
    """One field of a plan set to one value; `field` is a name of `Choices`, sizes or training."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Choices:
    """The ablations every card accepts; None is the card's own value."""

    act: str | None = None
    norm: str | None = None
    init: str | None = None
    skip: str | None = None
    aux: bool | int | None = None
    dropout: float | None = None


@dataclass(frozen=True, slots=True)
class TrainChoices:
    """How a network is trained. `lr` None is the card's own; penalties 0 and clips None are off.

    `batch` counts samples; `steps` counts optimiser steps and wins over `epochs`; `l2` is the
    optimiser's weight decay; `l1` is added to the gradient as l1·sign(w); `standardise` makes
    every input feature mean 0 and standard deviation 1 by the training split's own statistics
    (None: as the data source does). `reset_bias`, `revive_units` and `zero_gamma` change the
    start: biases 0, dead units drawn again, residual branches at 0. `warm_up` counts steps;
    `schedule` is constant, cosine, step, multi-step, one-cycle, poly or plateau; step drops by
    `gamma` every `drop_every` epochs, multi-step at the epochs of `milestones`, plateau after
    `plateau_wait` evaluations without a lower held-back loss. `accumulate` micro-batches of
    `batch` make one step. `ema` is the decay of averaged weights, 0 for none. `balance` is none,
    inverse, effective (class weights) or sampler. `patience` evaluations without a better one end
    the training, 0 never. `aux_weight` is the share of each auxiliary loss, None the paper's.
    `augment` is a list of words with commas; None is what the data source does. `precision` is
    auto, fp32, bf16 or fp16. `evaluate_every` counts steps, 0 is every epoch.

    `weights` is what is trained on from: a published tag, a file or a run. `freeze` is "body" (all
    but the head), a stage (up to and including it) or path patterns with commas; `train_norm`
    leaves frozen norms training. `unfreeze` is "one-stage-per-epoch" or what begins to train when,
    as "1:layer4,2:layer3"; rates are multiplied by `unfrozen_lr` from the first such epoch on. The
    rate of stage k from the head is lr·`layer_decay`ᵏ, or between the two of `layer_lr` (lowest,
    highest). `cache_features` trains the head on the frozen body's features, computed once.
    """

    optimizer: str = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    batch: int = 64
    epochs: int = 10
    steps: int | None = None
    loss: str | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    warm_up: int = 0
    schedule: str = "constant"
    standardise: bool | None = None
    reset_bias: bool = False
    revive_units: bool = False
    zero_gamma: bool = False
    drop_every: int = 30
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    power: float = 1.0
    plateau_wait: int = 10
    accumulate: int = 1
    label_smoothing: float = 0.0
    balance: str = "none"
    ema: float = 0.0
    no_norm_decay: bool = False
    patience: int = 0
    aux_weight: float | None = None
    augment: str | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    precision: str = "auto"
    channels_last: bool = True
    evaluate_every: int = 0
    weights: str | None = None
    freeze: str | None = None
    unfreeze: str | None = None
    train_norm: bool = False
    unfrozen_lr: float = 1.0
    layer_decay: float = 1.0
    layer_lr: tuple[float, ...] = ()
    cache_features: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, in names and numbers only: it can be stored, compared and run again.

    `data` is the source as typed, "" for data given as objects; `validation` the share held back;
    `side` the pixels a side images are brought to, None the model's own. `remedies` names what a
    repair changed in it; `edits` are those of a net that its own code builds, made after building.
    """

    model: str
    choices: Choices = field(default_factory=Choices)
    sizes: tuple[tuple[str, int | tuple[int, ...]], ...] = ()
    variant: str = "published"
    classes: int | None = None
    in_channels: int | None = None
    train: TrainChoices = field(default_factory=TrainChoices)
    seed: int = 0
    data: str = ""
    validation: float = 0.2
    side: int | None = None
    remedies: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()

    def edit(self, edits: Iterable[Edit]) -> "Plan":
        """The same plan with each edit's field set; idempotent, as an edit sets a value.

        Raises:
            UsageError: an edit names no field of a plan.
        """
        plan = self
        for e in edits:
            plan = _edited(plan, e)
        return plan

    def get(self, name: str) -> object:
        """The value of a field of the plan, its choices, its sizes or its training."""
        for part in (self.choices, self.train, self):
            if name in _names(part):
                return getattr(part, name)
        return dict(self.sizes).get(name)


def _names(part: object) -> tuple[str, ...]:
    return tuple(f.name for f in fields(part))  # type: ignore[arg-type]


def _edited(plan: Plan, e: Edit) -> Plan:
    if e.field in _names(plan.choices):
        return replace(plan, choices=replace(plan.choices, **{e.field: e.value}))  # type: ignore[arg-type]
    if e.field in _names(plan.train):
        return replace(plan, train=replace(plan.train, **{e.field: e.value}))  # type: ignore[arg-type]
    if e.field in ("depth", "width"):
        if not isinstance(e.value, int):
            raise UsageError(f"{e.field}={e.value!r} is not a whole number; give a count of layers")
        return replace(plan, sizes=_resized(dict(plan.sizes), e.field, e.value))
    allowed = (*_names(plan.choices), *_names(plan.train), "depth", "width")
    raise unknown("edit", e.field, allowed)


def _resized(
    sizes: dict[str, int | tuple[int, ...]], name: str, value: int
) -> tuple[tuple[str, int | tuple[int, ...]], ...]:
    """The sizes with one set; pools that a smaller depth no longer reaches are left out."""
    sizes = {**sizes, name: value}
    pools = sizes.get("pool_at", ())
    if name == "depth" and isinstance(pools, tuple) and pools:
        sizes["pool_at"] = tuple(p for p in pools if p < value)
    return tuple(sizes.items())
