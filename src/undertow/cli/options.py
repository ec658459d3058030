"""The options that several commands share, declared once, and what they mean together."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from undertow.core.plan import Choices, Plan, TrainChoices

Group = Mapping[str, tuple[Any, Any]]  # option name -> (annotation, default)
Sizes = tuple[tuple[str, int | tuple[int, ...]], ...]
Command = Callable[..., None]

Model = Annotated[
    str, typer.Argument(help="A zoo name (undertow models), module:callable or file.py:callable.")
]
Data = Annotated[
    str,
    typer.Option(
        help="A folder of class folders, .csv, IDX, CIFAR binary, .npz, digits or"
        " synthetic:CxHxW:CLASSES."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Machine output on stdout, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Html = Annotated[str | None, typer.Option(help="Also write the report to this file.")]
Budget = Annotated[float, typer.Option(help="Seconds for everything.")]
RunFolder = Annotated[str | None, typer.Option(help="Run folder; new under runs/ unless given.")]
Validation = Annotated[float, typer.Option(help="Share of the data held back.")]


def _option(kind: Any, help: str, *names: str) -> Any:
    return Annotated[kind, typer.Option(*names, help=help)]


def _flag(help: str, name: str) -> Any:
    return Annotated[bool, typer.Option(name, help=help)]


NET: Group = {
    "act": (_option(str | None, "Activation, as relu, sigmoid, tanh."), None),
    "norm": (_option(str | None, "none, batch, group, layer or instance."), None),
    "init": (_option(str | None, "torch, he, xavier, orthogonal, normal:0.01, ..."), None),
    "skip": (_option(str | None, "none, zero-pad, projection or all-projection."), None),
    "aux": (_option(int | None, "Auxiliary heads, for nets that have them."), None),
    "dropout": (
        _option(float | None, "Share of units dropped; the card's own unless given."),
        None,
    ),
    "depth": (_option(int | None, "Layers, for mlp and conv."), None),
    "width": (_option(int | None, "Channels or units a layer, for mlp and conv."), None),
    "pool_at": (_option(str | None, "Layers followed by a pool, as 4,8 (conv)."), None),
    "variant": (_option(str, "published or paper."), "published"),
    "classes": (
        Annotated[
            int | None,
            typer.Option(min=1, help="Classes of the head; from the data unless given."),
        ],
        None,
    ),
}
TRAINING: Group = {
    "loss": (_option(str | None, "cross-entropy, bce, mse, l1 or huber."), None),
    "optimizer": (_option(str, "sgd, adam, adamw or rmsprop."), "sgd"),
    "lr": (_option(float | None, "Learning rate; the card's own unless given."), None),
    "batch": (Annotated[int, typer.Option(min=1, help="Samples a step.")], 64),
    "clip_norm": (_option(float | None, "Clip the gradient's global L2 norm."), None),
    "clip_value": (_option(float | None, "Clip every gradient entry."), None),
    "l1": (_option(float, "L1 penalty: l1·sign(w) added to the gradient."), 0.0),
    "l2": (_option(float, "L2 penalty: the optimiser's weight decay."), 0.0),
    "standardise": (
        _option(
            bool | None,
            "Input to mean 0, deviation 1 (digits, synthetic: on; files: off).",
            "--standardise/--no-standardise",
        ),
        None,
    ),
    "reset_bias": (_flag("Biases start at 0.", "--reset-bias"), False),
    "revive_units": (_flag("Units dead at the start are drawn again.", "--revive-units"), False),
    "zero_gamma": (_flag("Residual branches start at 0.", "--zero-gamma"), False),
    "seed": (_option(int, "Of weights, order and split."), 0),
}

OPENED: Group = {
    "weights": (
        _option(str | None, "For a card or code: a published tag, a file or a run."),
        None,
    ),
    "model": (
        _option(str | None, "What net a file is of; for code it says that it may run."),
        None,
    ),
    "preprocessing": (
        _option(str | None, "That of a published file: resnet50 or resnet50:imagenet-v2."),
        None,
    ),
    "size": (_option(str | None, "Of an input, where nothing says: 224 or 3x224x224."), None),
    "resize": (
        Annotated[int | None, typer.Option(min=1, help="Shorter side before the centre is cut.")],
        None,
    ),
    "mean": (_option(str | None, "Of each channel, as 0.485,0.456,0.406."), None),
    "std": (_option(str | None, "Of each channel."), None),
    "range": (_option(str | None, "What a pixel's 0 and 255 become, as 0,1."), None),
    "names": (_option(str | None, "Of the classes, with commas, or a file of one a line."), None),
    "loss": (_option(str | None, "What the outputs mean: bce for one unit."), None),
}


def slice_of(text: str | None) -> tuple[float, ...]:
    """`1e-4,1e-2` as (1e-4, 1e-2).

    Raises:
        UsageError: not numbers with commas between them.
    """
    from undertow.core.errors import UsageError

    try:
        return tuple(float(v) for v in (text or "").split(",") if v.strip())
    except ValueError:
        raise UsageError(
            f"--layer-lr {text} is no slice; give the lowest and highest as 1e-4,1e-2"
        ) from None


def takes(*groups: Group) -> Callable[[Command], Command]:
    """Add groups of options to a command; it gets their values in one dict, `given`."""
    shared = {name: entry for group in groups for name, entry in group.items()}

    def wrap(function: Command) -> Command:
        own = [p for n, p in signature(function).parameters.items() if n != "given"]

        @wraps(function)
        def command(**typed: Any) -> None:
            given = {name: typed.pop(name) for name in shared}
            function(**typed, given=given)

        added = [_parameter(name, *entry) for name, entry in shared.items()]
        kept = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in own]
        sign: Any = command
        sign.__signature__ = signature(function).replace(parameters=[*kept, *added])
        sign.__annotations__ = {p.name: p.annotation for p in (*kept, *added)}
        return command

    return wrap


def _parameter(name: str, kind: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def choices(given: Mapping[str, Any]) -> "Choices":
    """The model's choices among the options given."""
    from undertow.core.plan import Choices

    return Choices(**{f.name: given[f.name] for f in fields(Choices) if f.name in given})


def training(given: Mapping[str, Any]) -> "TrainChoices":
    """The training's choices among the options given.

    Raises:
        UsageError: a value that cannot be.
    """
    from undertow.core.errors import UsageError
    from undertow.core.plan import TrainChoices

    lr = given.get("lr")
    if lr is not None and lr <= 0:
        raise UsageError(f"--lr {lr} does not train; give a number above 0, as 0.02")
    held = {f.name: given[f.name] for f in fields(TrainChoices) if f.name in given}
    return TrainChoices(**held)


def sizes(given: Mapping[str, Any]) -> Sizes:
    """The sizes among the options given, as a plan holds them."""
    held = {**given, "pool_at": pools(given.get("pool_at"))}
    names = ("depth", "width", "pool_at")
    return tuple((n, held[n]) for n in names if held.get(n) is not None)


def pools(text: str | None) -> tuple[int, ...] | None:
    """`4,8` as (4, 8).

    Raises:
        UsageError: not whole numbers with commas between them.
    """
    from undertow.core.errors import UsageError

    if text is None:
        return None
    try:
        return tuple(int(v) for v in text.split(",") if v.strip())
    except ValueError:
        raise UsageError(f"--pool-at {text} is not a list of layers; give numbers as 4,8") from None


def names(text: str | None) -> tuple[str, ...]:
    """`a,b,c` as names, or the lines of a text file.

    Raises:
        UsageError: a file that is no text.
    """
    from undertow.core.errors import UsageError

    if text is None:
        return ()
    if not Path(text).is_file():
        return tuple(name.strip() for name in text.split(",") if name.strip())
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"--names {text} is no text file: {error}; give a name a line") from None
    return tuple(line.strip() for line in lines if line.strip())


def plan(model: str, given: Mapping[str, Any]) -> "Plan":
    """The plan as typed: what is not given is None, and filled in from card and data later."""
    from undertow.core.plan import Plan

    return Plan(
        model=model,
        choices=choices(given),
        sizes=sizes(given),
        variant=given["variant"],
        classes=given["classes"],
        train=training(given),
        seed=given["seed"],
    )


def opened(what: str, given: Mapping[str, Any]) -> Any:
    """The trained net that a RUN or MODEL word and the options of `OPENED` stand for."""
    from undertow.api.opened import opened as found

    held = {name: given[name] for name in OPENED}
    for name in ("mean", "std", "range"):
        held[name] = numbers(name, held[name])
    return found(what, **{**held, "names": names(held["names"])})


def numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """`0.5,0.5` as (0.5, 0.5).

    Raises:
        UsageError: not numbers with commas between them.
    """
    from undertow.core.errors import UsageError

    if text is None:
        return None
    try:
        return tuple(float(v) for v in text.split(","))
    except ValueError:
        raise UsageError(f"--{name} {text} is no list of numbers; give them as 0.5,0.5") from None


def source(model: str, data: Any, given: Mapping[str, Any]) -> Any:
    """What the MODEL word, the options and the data make together."""
    from undertow.api.target import source as made

    return made(plan(model, given), data)


def typed(given: Mapping[str, Any]) -> str:
    """The options that differ from a plain command's own, as they are typed."""
    plain = {name: entry[1] for name, entry in {**NET, **TRAINING}.items()}
    changed = {n: v for n, v in given.items() if n in plain and v != plain[n]}
    return " ".join(_word(n.replace("_", "-"), v) for n, v in changed.items())


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value}"
