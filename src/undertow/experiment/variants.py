"""One factor changed: the table of variants, each a function Case -> Case."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, optim

from undertow.core.derive import line_best
from undertow.core.errors import UsageError
from undertow.core.plan import Edit
from undertow.core.record import Layer, Record
from undertow.models.start import started
from undertow.nn import surgery
from undertow.nn.copying import redrawn
from undertow.nn.optimizer import scaled
from undertow.preflight.case import Case

ADAM = 1e-3  # Adam's usual rate (Kingma & Ba 2015, sec. 2)
CLIP = 1.0  # global L2 norm
RATES = (0.1, 0.01, 0.001, 10.0, 100.0)  # factors on the user's rate; the line probe may add one
SCALE = "scale of hidden weights"  # tells by the helpful direction vanishing from exploding
SCALES = (0.02, 0.1, 0.5, 2.0, 5.0, 20.0)
SHALLOW = 3  # layers of the shallower twin
IMAGE_DIMS = 3


@dataclass(frozen=True)
class Variant:
    """A factor, what it is set to, the plan's edits, and how a case is changed.

    `quick`: only its statistics are measured, without probe steps.
    """

    factor: str
    name: str
    change: Callable[[Case, Sequence[Layer]], Case]
    edits: tuple[Edit, ...] = ()
    price: int = 1
    quick: bool = False


def built(case: Case, edits: tuple[Edit, ...]) -> Case:
    """The case with its net built again from the edited plan: same seed, same draws.

    Raises:
        UsageError: the case has no plan, or the plan cannot be built so.
    """
    if case.plan is None or case.pair is None:
        raise UsageError("this needs the plan of a zoo net; the module was given as code")
    plan = case.plan.edit(edits)
    return replace(case, net=started(plan, case.pair[0]), plan=plan)


def edited(case: Case, layers: Sequence[Layer], edits: tuple[Edit, ...]) -> Case:
    """The case with the edits made on its plan where it has one, else on a copy of the module."""
    if case.plan is not None:
        return built(case, edits)
    return replace(case, net=surgery.edited(case.net, edits, layers, case.seed, case.run))


def standardised(case: Case, _: Sequence[Layer]) -> Case:
    """The probe batch with mean 0 and standard deviation 1 a channel (or feature)."""
    if case.pair is None or not case.pair[0].is_floating_point():
        raise UsageError("the input is not one floating tensor; it cannot be standardised here")
    x, y = case.pair
    return replace(case, batch=(standard(x), y))


def standard(x: Tensor) -> Tensor:
    """(N, C, ...) or (N, F): mean 0 and standard deviation 1 a channel or feature."""
    over = [0] if x.ndim < IMAGE_DIMS else [d for d in range(x.ndim) if d != 1]
    std = x.std(over, keepdim=True, correction=0)
    return (x - x.mean(over, keepdim=True)) / std.masked_fill(std == 0, 1.0)


def _rate(factor: float, case: Case, _: Sequence[Layer]) -> Case:
    if case.optimizer is None:
        raise UsageError("no optimiser was given")
    return replace(case, optimizer=scaled(case.optimizer, factor))


def _adam(case: Case, _: Sequence[Layer]) -> Case:
    return replace(case, optimizer=partial(optim.Adam, lr=ADAM))


def _clip(case: Case, _: Sequence[Layer]) -> Case:
    return replace(case, clip_norm=CLIP)


def _redrawn(case: Case, _: Sequence[Layer]) -> Case:
    if case.plan is None:
        return replace(case, net=redrawn(case.net, case.seed + 1))
    return built(replace(case, plan=replace(case.plan, seed=case.plan.seed + 1)), ())


def _net(factor: str, name: str, *edits: tuple[str, str | int | bool]) -> Variant:
    made = tuple(Edit(f, v) for f, v in edits)
    return Variant(factor, name, lambda case, layers: edited(case, layers, made), made, len(made))


def singles(record: Record) -> tuple[Variant, ...]:
    """Every variant that changes one factor of this record's net, the likeliest not yet first."""
    return (
        *_input(record),
        _net("initialisation", "he-normal", ("init", "he-normal")),
        _net("initialisation", "xavier-uniform", ("init", "xavier-uniform")),
        _net("initialisation", "orthogonal", ("init", "orthogonal")),
        *_bias(record),
        *(_net("activation", word, ("act", word)) for word in ("relu", "tanh", "leaky-relu")),
        *_norm(record),
        *_rates(record),
        Variant("learning-rate", "adam", _adam, (Edit("optimizer", "adam"), Edit("lr", ADAM)), 2),
        Variant("learning-rate", "clip-norm 1", _clip, (Edit("clip_norm", CLIP),)),
        *_depth(record),
        *(_scale(f) for f in SCALES),
        Variant("decoy", "same init, drawn again", _redrawn),
    )


def pairs(record: Record) -> tuple[Variant, ...]:
    """Two factors at once, for nets no single change clears."""
    return (
        _net(
            "activation + initialisation", "relu, he-normal", ("act", "relu"), ("init", "he-normal")
        ),
        _net(
            "activation + initialisation",
            "tanh, xavier-uniform",
            ("act", "tanh"),
            ("init", "xavier-uniform"),
        ),
        _net("normalisation + depth", "batch, skip", ("norm", "batch"), ("skip", "projection")),
        _net("activation + normalisation", "relu, batch", ("act", "relu"), ("norm", "batch")),
        _both("input-scale + initialisation", "standardised, he-normal", standardised, "he-normal"),
        *(_with_rate(record, f) for f in (0.1, 10.0, 100.0) if record.optimizer.lr is not None),
    )


def _scale(factor: float) -> Variant:
    def change(case: Case, layers: Sequence[Layer]) -> Case:
        return replace(case, net=surgery.scaled_weights(case.net, factor, layers))

    return Variant(SCALE, f"× {factor:g}", change, quick=True)


def _both(
    factor: str, name: str, change: Callable[[Case, Sequence[Layer]], Case], init: str
) -> Variant:
    made = (Edit("init", init),)

    def both(case: Case, layers: Sequence[Layer]) -> Case:
        return change(edited(case, layers, made), layers)

    return Variant(factor, name, both, (Edit("standardise", True), *made), 2)


def _with_rate(record: Record, factor: float) -> Variant:
    made = (Edit("norm", "batch"),)

    def both(case: Case, layers: Sequence[Layer]) -> Case:
        return _rate(factor, edited(case, layers, made), layers)

    lr = (record.optimizer.lr or 0.0) * factor
    return Variant(
        "normalisation + learning-rate", f"batch, × {factor:g}", both, (*made, Edit("lr", lr)), 2
    )


def _input(record: Record) -> tuple[Variant, ...]:
    if record.input.rms is None:
        return ()
    return (Variant("input-scale", "standardised", standardised, (Edit("standardise", True),)),)


def _bias(record: Record) -> tuple[Variant, ...]:
    if not any(y.bias_mean for y in record.layers):
        return ()
    return (_net("bias", "0", ("reset_bias", True)),)


def _norm(record: Record) -> tuple[Variant, ...]:
    word = "batch" if record.input.shape[:1] >= (4,) else "group"
    return () if record.normalised else (_net("normalisation", word, ("norm", word)),)


def _rates(record: Record) -> tuple[Variant, ...]:
    lr = record.optimizer.lr
    if lr is None:
        return ()
    best = line_best(record)
    far = () if best is None or best in RATES or best == 1.0 else (best,)
    return tuple(
        Variant("learning-rate", f"× {f:g}", partial(_rate, f), (Edit("lr", lr * f),))
        for f in (*RATES, *far)
    )


def _depth(record: Record) -> tuple[Variant, ...]:
    if record.plan is None:
        return (_net("depth", "skip", ("skip", "projection")),)
    if "depth" not in dict(record.plan.sizes):
        return ()
    deep = dict(record.plan.sizes)["depth"]
    shallower = (_net("depth", f"{SHALLOW} layers", ("depth", SHALLOW)),)
    skip = (_net("depth", "skip", ("skip", "projection")),)
    plain = record.plan.choices.skip in (None, "none")
    short = isinstance(deep, int) and deep > SHALLOW
    return (*(shallower if short else ()), *(skip if plain else ()))
