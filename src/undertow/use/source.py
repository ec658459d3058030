"""A trained net opened from its checkpoint alone: net, inputs, class names, loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from undertow.core.codec import decode
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs, read
from undertow.core.plan import Plan
from undertow.models import CARDS, blueprint, build_plan, card, checkpoints, load_weights, resolve
from undertow.models.loading import BEST, find, fitting
from undertow.models.weights import Weights, named, tagged
from undertow.train.checkpoint import VERSION

FILES = (".safetensors", *checkpoints.PICKLED)
CODE = ":"  # of the address of a user's own build function
BUILT = "the net is as its code builds it: no --weights were given"

Build = Callable[[Plan, tuple[int, ...] | None], nn.Module]  # of a plan and an input's shape


@dataclass(frozen=True, eq=False)
class Asked:
    """What a user says besides the name of what is to be opened.

    Attributes:
        plan: of a card or of a user's own code, as typed; None where a run or file is opened.
        weights: a published tag, a file or a run, for a plan.
        inputs: in place of those of the checkpoint.
        names: of the classes, in place of those of the checkpoint.
        loss: word, in place of the checkpoint's.
        build: makes a user's own net, with the edits of its plan; None refuses such nets.
    """

    plan: Plan | None = None
    weights: str | Path | None = None
    inputs: Inputs | None = None
    names: tuple[str, ...] = ()
    loss: str | None = None
    build: Build | None = None


@dataclass(frozen=True, eq=False)
class Opened:
    """A net (in eval mode, but for a module as given) and all that is needed to use it.

    Attributes:
        net: the module.
        inputs: how an image becomes an input; None: nobody has said.
        names: of the classes, in the order of the outputs; () where there are none.
        loss: word, which says what the outputs are; "" for a loss that has none.
        name: for people: the folder, file or card.
        plan: what built the net; None for a module.
        notes: what a user should know.
        fingerprint: of the data a run was trained on; "" where that is not known.
        renamed: whether the names were typed, and so must be as many as the classes.
    """

    net: nn.Module
    inputs: Inputs | None
    names: tuple[str, ...] = ()
    loss: str = "cross-entropy"
    name: str = ""
    plan: Plan | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    renamed: bool = False

    def ready(self) -> Inputs:
        """The inputs.

        Raises:
            UsageError: nobody has said how an image becomes an input.
        """
        if self.inputs is not None:
            return self.inputs
        raise UsageError(
            f"{self.name or 'the net'} does not say how an image becomes its input, and a wrong"
            " guess costs accuracy without a word; give --preprocessing with a card's name (as"
            " resnet50 or resnet50:imagenet-v2), or --size, --mean, --std and --range"
        )

    def named(self, classes: int) -> None:
        """Nothing, where the names fit so many classes.

        Raises:
            UsageError: more names than classes, or fewer that were typed.
        """
        count = len(self.names)
        if count > classes or (self.renamed and count != classes):
            raise UsageError(f"{count} names ({', '.join(self.names[:3])}, ...) for {classes}"
                             " outputs; give one each")  # fmt: skip

    def label(self, index: int) -> str:
        """Name of a class; its number where there are no names."""
        return self.names[index] if index < len(self.names) else str(index)


def opened(what: str | Path | nn.Module, asked: Asked | None = None) -> Opened:
    """What a run, a file, a card with weights or a module is.

    Args:
        what: a run folder, a .safetensors or .pth file, a card's name (with `asked.weights`), the
            address of a user's own code, or a module.
        asked: what is said besides.

    Raises:
        UsageError: none of these, a damaged one, or one that does not say what net it is of.
    """
    asked = Asked() if asked is None else asked
    if isinstance(what, nn.Module):
        made = Opened(what, None, name=type(what).__name__)
    elif asked.weights is not None:
        made = _weighted(str(what), asked.weights, asked)
    elif Path(what).is_dir() or Path(what).suffix in FILES:
        made = _file(_kept(Path(what)), asked)
    elif CODE in str(what) and asked.build is not None:
        net = asked.build(Plan(str(what)), None)
        made = Opened(net, None, name=str(what), notes=(BUILT,))
    else:
        raise _nothing(str(what))
    if not isinstance(what, nn.Module):
        made.net.eval()
    return replace(
        made,
        inputs=asked.inputs or made.inputs,
        names=asked.names or made.names,
        renamed=bool(asked.names),
        loss=made.loss if asked.loss is None else asked.loss,
    )


def of_card(wanted: str) -> Inputs:
    """The inputs of a card's published file, by `resnet50` or `resnet50:imagenet-v2`.

    Raises:
        UsageError: no such card, tag, or nothing published.
    """
    name, _, tag = wanted.partition(CODE)
    found = card(name)
    if not found.weights:
        raise UsageError(f"{name} has no published weights, so no preprocessing; give --size,"
                         " --mean, --std and --range")  # fmt: skip
    entry = tagged(name, tag or found.weights[0])
    if entry is None:
        raise UsageError(f"{name} has no weights {tag!r}; choose {', '.join(found.weights)}")
    return entry.inputs


def _kept(path: Path) -> Path:
    """The weight file of a run: its best, else its last; a file is itself."""
    if not path.is_dir():
        return path
    held = [path / "checkpoints" / name for name in BEST]
    found = next((file for file in held if file.is_file()), None)
    if found is None:
        raise UsageError(f"{path} has no checkpoints/best.safetensors; give the folder of a"
                         " training, or a .safetensors or .pth file")  # fmt: skip
    return found


def _file(path: Path, asked: Asked) -> Opened:
    """A file that says what it is, or a published one by its name."""
    state, told = checkpoints.read(path), checkpoints.about(path)
    if told.get("version", 0) > VERSION:
        raise UsageError(f"{path} has checkpoint version {told['version']}, this program reads up"
                         f" to {VERSION}; upgrade undertow")  # fmt: skip
    entry = named(path.name)
    plan = _of_both(asked.plan, _plan(told))
    if plan is None and entry is not None:
        return _weighted(entry.model, path, asked)
    if plan is None:
        raise _unnamed(path, state)
    inputs = read(told.get("preprocessing"))
    net: Any = _built(plan, inputs, asked, path)
    whole = set(net.state_dict()) <= set(state)
    if any(p.is_meta for p in net.parameters()) and not whole:
        net = build_plan(plan, None if inputs is None else inputs.shape)
    checkpoints.load(net, state, assign=whole)
    if hasattr(net, "transform_input"):
        net.transform_input = bool(told.get("transform_input", False))
    names = tuple(str(n) for n in told.get("classes") or ())
    data = str(told.get("fingerprint", ""))
    return Opened(net, inputs, names, _loss(told, plan), str(_home(path)), plan, fingerprint=data)


def _weighted(name: str, weights: str | Path, asked: Asked) -> Opened:
    """A card or a user's own net, with the weights of a tag, a file or a run."""
    plan = asked.plan or Plan(name)
    if CODE in name:
        path = _kept(Path(weights))
        told = checkpoints.about(path)
        plan = _of_both(plan, _plan(told)) or plan
        inputs = read(told.get("preprocessing"))
        net = _built(plan, inputs, asked, path)
        checkpoints.load(net, checkpoints.read(path))
        names = tuple(told.get("classes") or ())
        data = str(told.get("fingerprint", ""))
        return Opened(net, inputs, names, _loss(told, plan), name, plan, fingerprint=data)
    file, entry = find(card(name), weights)
    told = checkpoints.about(file)
    plan = resolve(_outputs(plan, told))
    net = build_plan(plan)
    said = load_weights(net, plan, weights)
    inputs = _of(entry) or read(told.get("preprocessing"))
    names = entry.classes if entry is not None else tuple(told.get("classes") or ())
    notes = (*said.notes, *said.warnings)
    return Opened(net, inputs, names, _loss(told, plan), f"{name} {weights}", plan, notes)


def _of(entry: Weights | None) -> Inputs | None:
    return None if entry is None else entry.inputs


def _outputs(plan: Plan, told: Mapping[str, Any]) -> Plan:
    """The plan with the head and the colours of the run the weights come from."""
    held = _plan(told)
    if held is None:
        return plan
    classes = held.classes if plan.classes is None else plan.classes
    return replace(plan, classes=classes, in_channels=plan.in_channels or held.in_channels)


def _plan(told: Mapping[str, Any]) -> Plan | None:
    stored = told.get("asked") or told.get("plan")
    plan = None if not isinstance(stored, Mapping) else decode(Plan, stored)
    return plan if plan is not None and plan.model else None


def _of_both(asked: Plan | None, held: Plan | None) -> Plan | None:
    """The plan as typed; where it names the very code of the checkpoint, the checkpoint's own.

    So the data it was trained on and the edits of the net are not lost.
    """
    if asked is None or held is None or CODE not in asked.model:
        return asked or held
    return held if _place(asked.model) == _place(held.model) else asked


def _place(address: str) -> str:
    """An address of code from anywhere: of a file its whole path."""
    where, _, name = address.rpartition(CODE)
    return f"{Path(where).resolve()}:{name}" if where.endswith(".py") else address


def _built(plan: Plan, inputs: Inputs | None, asked: Asked, path: Path) -> nn.Module:
    if CODE not in plan.model:  # on `meta`: the weights are those of the file
        return blueprint(plan, None if inputs is None else inputs.shape)
    if asked.build is None:
        raise UsageError(
            f"the net of {path} is built by code ({plan.model}), and a checkpoint's word alone"
            f" runs no code; say that you want it: --model {plan.model}"
        )
    return asked.build(plan, None if inputs is None else inputs.shape)


def _loss(told: Mapping[str, Any], plan: Plan) -> str:
    return str(told.get("loss", plan.train.loss or "cross-entropy"))


def _home(path: Path) -> Path:
    return path.parent.parent if path.parent.name == "checkpoints" else path


def _unnamed(path: Path, state: Mapping[str, Any]) -> UsageError:
    near = fitting(dict(state), CARDS)
    fits = f"; it fits {' or '.join(near[:3])}" if near else ""
    return UsageError(
        f"{path} holds weights but not what net they are of{fits};"
        " give the card's name and --weights with the file"
    )


def _nothing(what: str) -> UsageError:
    if any(c.name == what for c in CARDS):
        tags = card(what).weights
        offered = f"one of {', '.join(tags)}, " if tags else ""
        return UsageError(f"{what} has no weights yet; give --weights with {offered}a file or run")
    if CODE in what:
        return UsageError(f"{what} has no weights yet; give --weights with a file or run")
    return UsageError(
        f"{what} is no run folder, no .safetensors or .pth file and no card; check the path, or"
        " give a card's name (undertow models) with --weights"
    )
