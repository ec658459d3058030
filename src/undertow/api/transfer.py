"""From weights on: what a plan that starts from them means, and what they bring along."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.finding import Evidence, Symptom
from undertow.core.inputs import Inputs, read
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import Arrays
from undertow.data.pixels import Pixels, Scale
from undertow.data.split import scaled
from undertow.experiment.pair import Source
from undertow.models import checkpoints, load_weights
from undertow.models.loading import BEST
from undertow.models.weights import named
from undertow.nn.parts import Part

BODY, EVERYTHING, NONE = "body", "1:all", "none"
DECAY, LOWERED = 0.3, 0.5  # of rates: a stage nearer the input; once the body trains too
RAMP = 3  # a part's warm-up is an epoch over this: as the rise of one cycle, Smith & Topin 2018
PIXELS = (0.0, 1.0)  # of bytes, as inputs are made of images
ALIKE = 1e-3  # relative: scales that differ by less are one


def words(options: Mapping[str, Any]) -> dict[str, Any]:
    """Freezing and rates as a program gives them, in the plan's words.

    Args:
        options: `freeze` may be a list of path patterns, `unfreeze` a dict of epoch to stage,
            `layer_lr` a slice or a pair (lowest, highest).
    """
    held = dict(options)
    if isinstance(held.get("freeze"), list | tuple):
        held["freeze"] = ",".join(held["freeze"]) + ","
    if isinstance(held.get("unfreeze"), Mapping):
        held["unfreeze"] = ",".join(f"{epoch}:{part}" for epoch, part in held["unfreeze"].items())
    if isinstance(held.get("layer_lr"), slice):
        held["layer_lr"] = (held["layer_lr"].start, held["layer_lr"].stop)
    if "layer_lr" in held:
        held["layer_lr"] = tuple(held["layer_lr"] or ())
    if isinstance(held.get("weights"), os.PathLike):
        held["weights"] = os.fspath(held["weights"])
    return held


def completed(plan: Plan, typed: Collection[str], data: Arrays, validation: float) -> Plan:
    """The plan with the recipe for weights filled in where nothing was typed, every value in it.

    The head alone for one epoch, then everything at half the rate, .3 times it a stage nearer the
    input (Howard & Ruder 2018, sec. 3.2-3.3), each part warmed up as it begins, cosine to the end.

    Args:
        plan: as typed.
        typed: names of the options that were.
        data: gives the steps of an epoch.
        validation: share of it held back.

    Raises:
        UsageError: options that exclude each other.
    """
    train = _implied(plan.train)
    if train.weights is None:
        return replace(plan, train=train)
    own: dict[str, Any] = {"schedule": "cosine", "warm_up": _ramp(train, data, validation)}
    if train.freeze is None:
        own |= {"freeze": BODY, "unfreeze": EVERYTHING, "unfrozen_lr": LOWERED}
    if not train.layer_lr and not train.cache_features:
        own["layer_decay"] = DECAY
    mine = {name: value for name, value in own.items() if name not in typed}
    return replace(plan, train=replace(train, **located({"weights": train.weights}), **mine))


def located(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with weights that are a file or a run found from any folder; tags stay."""
    wanted = options.get("weights")
    if wanted is None or not Path(wanted).exists():
        return dict(options)
    return {**options, "weights": str(Path(wanted).resolve())}


def _implied(train: TrainChoices) -> TrainChoices:
    """What one option says of another."""
    if train.cache_features:
        other = train.freeze not in (None, BODY) or train.unfreeze or train.train_norm
        if other or train.augment or train.mixup or train.cutmix:
            raise UsageError(
                "cache_features trains the head on a body that stays frozen, on images as they"
                " are; leave out freeze, unfreeze, train_norm, augment, mixup and cutmix"
            )
        train = replace(train, freeze=BODY)
    if train.unfreeze and train.freeze is None:
        train = replace(train, freeze=BODY)
    if train.layer_lr:
        highest = train.layer_lr[-1]
        if train.lr is not None and not math.isclose(train.lr, highest):
            raise UsageError(f"lr={train.lr} is not the highest of layer_lr={train.layer_lr}")
        train = replace(train, lr=highest)
    return train


def _ramp(train: TrainChoices, data: Arrays, validation: float) -> int:
    kept = len(data.x) if data.validation is not None else len(data.x) * (1 - validation)
    return max(1, math.ceil(kept / (train.batch * train.accumulate * RAMP)))


@dataclass(frozen=True)
class Start:
    """What weights bring along besides themselves.

    Attributes:
        inputs: how an image becomes their input; None: unknown, or of another kind of data.
        notes: what a reader should know.
    """

    inputs: Inputs | None = None
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> Scale | None:
        """What inputs are subtracted and divided by; None: the data's own way."""
        held = self.inputs
        if held is None or held.mean is None or held.std is None:
            return None
        return Scale(held.mean, held.std)


AFRESH = Start()


def begun(
    net: nn.Module,
    source: Source,
    parts: Sequence[Part],
    data: Arrays,
    stored: Mapping[str, Any] | None,
) -> Start:
    """Load the source's weights into its net, in place; what they bring along.

    Args:
        net: as drawn.
        source: names the weights, if any.
        parts: of the net, the head last.
        data: to train on.
        stored: what the checkpoint says of a training that goes on: nothing is loaded then.

    Raises:
        UsageError: no such weights, or of another net.
        EnvironmentFaultError: a download failed.
    """
    wanted = source.choices.weights
    if wanted is None:
        return AFRESH
    if stored is not None:
        return Start(read(stored["preprocessing"]))
    drawn = {name: value.detach().clone() for name, value in net.state_dict().items()}
    path, inputs, notes = _loaded(net, source, wanted, parts[-1])
    about, state = checkpoints.about(path), net.state_dict()
    kept = not all(torch.equal(state[name], drawn[name]) for name in parts[-1].parameters)
    if kept and _other_classes(path, about, data):
        _redrawn(net, drawn, parts[-1])
        notes = (*notes, "the head is drawn anew: its classes were others")
    told = read(about.get("preprocessing")) if inputs is None else inputs
    return _fitting(told, data, notes)


def _loaded(
    net: nn.Module, source: Source, wanted: str, head: Part
) -> tuple[Path, Inputs | None, tuple[str, ...]]:
    """(file, how its inputs are made where that is published, notes)."""
    if source.plan is None:
        path = _file(wanted)
        return path, None, _into_own(net, path, head)
    told = load_weights(net, source.plan, wanted)
    inputs = None if told.preprocessing is None else read(asdict(told.preprocessing))
    return told.file, inputs, (*told.notes, *told.warnings)


def _file(wanted: str) -> Path:
    path = Path(wanted)
    if not path.is_dir():
        return path
    kept = [path / "checkpoints" / name for name in BEST]
    return next((file for file in kept if file.is_file()), kept[0])


def _into_own(net: nn.Module, path: Path, head: Part) -> tuple[str, ...]:
    """Weights of a file into a module of the user's own; what was left as drawn."""
    state, own = checkpoints.read(path), net.state_dict()
    other = [k for k in own if k in state and state[k].shape != own[k].shape]
    checkpoints.load(net, state, head.modules)
    return (f"{', '.join(other)}: drawn anew, of another shape in the file",) if other else ()


def _other_classes(path: Path, about: Mapping[str, Any], data: Arrays) -> bool:
    """Whether a head of the same size would answer for classes it never saw."""
    entry = named(path.name)
    names = tuple(about.get("classes") or (entry.classes if entry else ()))
    if names and data.names:
        return names != data.names
    return bool(about.get("asked")) and about.get("fingerprint") != data.fingerprint


@torch.no_grad()
def _redrawn(net: nn.Module, drawn: Mapping[str, torch.Tensor], head: Part) -> None:
    state = net.state_dict()
    for name in head.parameters:
        state[name].copy_(drawn[name])


def _fitting(inputs: Inputs | None, data: Arrays, notes: tuple[str, ...]) -> Start:
    """The weights' own preprocessing, where the data can take it."""
    if inputs is None:
        silent = "the weights do not say how inputs are made; these are made as without weights"
        return Start(None, (*notes, silent))
    images = isinstance(data.x, Pixels)
    if isinstance(data.x, Pixels) and data.x.transform is not None:
        return Start(None, notes)
    if images != (inputs.range == PIXELS):
        other = "the weights saw inputs of another unit; these are scaled as without weights"
        return Start(None, (*notes, other))
    return Start(_for_channels(inputs, data.shape[0]), notes)


def _for_channels(inputs: Inputs, channels: int) -> Inputs:
    """Repeated over more channels, averaged into one: as first convolutions are."""
    if inputs.mean is None or inputs.std is None or len(inputs.mean) == channels:
        return inputs
    n = len(inputs.mean)
    if channels == 1:
        return replace(inputs, mean=(sum(inputs.mean) / n,), std=(sum(inputs.std) / n,))
    pick = [i % n for i in range(channels)]
    mean, std = (tuple(held[i] for i in pick) for held in (inputs.mean, inputs.std))
    return replace(inputs, mean=mean, std=std)


def as_expected(data: Arrays, start: Start) -> Arrays:
    """The data scaled and cut as the weights expect."""
    border = None if start.inputs is None else start.inputs.border
    if start.scale is not None:
        data = scaled(data, start.scale)
    if isinstance(data.x, Pixels) and border is not None:
        data = replace(data, x=replace(data.x, border=border))
    return data


def mismatch(start: Start, used: Arrays) -> tuple[Symptom, ...]:
    """A finding where inputs are not scaled as the weights expect (UT204)."""
    if start.inputs is None:
        return ()
    want = start.scale or Scale(*((v,) * used.shape[0] for v in (0.0, 1.0)))
    have = used.scale or Scale(*((v,) * used.shape[0] for v in (0.0, 1.0)))
    shift = max(abs(a - b) / s for a, b, s in zip(have.mean, want.mean, want.std, strict=True))
    ratio = max(abs(math.log(a / b)) for a, b in zip(have.std, want.std, strict=True))
    if max(shift, ratio) <= ALIKE:
        return ()
    says = (
        f"inputs are scaled by mean {_row(have.mean)} and deviation {_row(have.std)}, the weights"
        f" expect {_row(want.mean)} and {_row(want.std)}; leave standardise out"
    )
    seen = (Evidence("input_scale", "", 0, max(shift, ratio), ALIKE),)
    return (Symptom("UT204", "input-range", (), 0, seen, says),)


def _row(values: Sequence[float]) -> str:
    return "/".join(f"{v:.3g}" for v in values)
