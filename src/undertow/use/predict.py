"""Predictions on files, folders and arrays; a bad file is a line of its own, not the end."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.core.prediction import Guess, Prediction
from undertow.data.decode import SUFFIXES, BadImageError
from undertow.train.evaluation import evaluating
from undertow.use.fast import Ready, ready
from undertow.use.images import Reader, Transform
from undertow.use.metrics import probabilities
from undertow.use.source import Opened

VALUES, MOST = 8 * 3 * 224 * 224, 256  # input values and images of one pass, at most
NUMBERS = ("mse", "l1", "huber")  # losses of nets whose outputs are no classes

Tell = Callable[[str], None]
Item = tuple[str, Path | Tensor]


@dataclass(frozen=True, eq=False)
class How:
    """How predictions are made.

    Attributes:
        top: classes told of each image.
        precision: auto, fp32 or bf16.
        fast: False runs the net as it is.
        transform: the user's own pipeline, where the checkpoint names one.
        tell: told which way the net is run.
    """

    top: int = 5
    precision: str = "fp32"
    fast: bool = True
    transform: Transform | None = None
    tell: Tell = lambda _: None


def listed(images: object) -> list[Item]:
    """Files by name, those of folders in order, and arrays.

    Args:
        images: a path, a folder (searched to any depth), an array, a tensor, a Pillow image, or
            several of these in a list.

    Raises:
        UsageError: nothing there.
    """
    given = images if isinstance(images, list | tuple) else [images]
    items: list[Item] = []
    for one in given:
        if isinstance(one, str | os.PathLike):
            items += _files(Path(one))
        else:
            items.append(("", one))  # type: ignore[arg-type]
    if not items:
        raise UsageError("no images given; give files, folders or arrays")
    return items


def predictions(source: Opened, images: object, how: How) -> Iterator[Prediction]:
    """One prediction an image, in order, as they are made.

    Args:
        source: the net.
        images: as `listed` takes them.
        how: how.

    Raises:
        UsageError: nothing there, inputs the net does not take, or nobody has said how an image
            becomes an input.
    """
    items = listed(images)
    reader = reader_of(source, items, how.transform)
    return _made(source, _read(items, reader), how)


def reader_of(source: Opened, items: Sequence[Item], transform: Transform | None) -> Reader:
    """What makes inputs: float arrays for a net that says nothing of its inputs are such."""
    if source.inputs is None and transform is None:
        floats = [x for _, x in items if not isinstance(x, Path)]
        known = [torch.as_tensor(x) for x in floats if hasattr(x, "dtype")]
        if len(known) == len(items) and all(x.is_floating_point() for x in known):
            ndim = known[0].ndim
            shape = known[0].shape[1:] if ndim in (2, 4) else known[0].shape
            return Reader(Inputs(tuple(shape)))
    return Reader(source.ready(), transform)


def _files(path: Path) -> list[Item]:
    if not path.is_dir():
        return [(str(path), path)]
    found: list[Path] = []
    for home, folders, names in os.walk(path):
        folders.sort()
        seen = [n for n in sorted(names) if n.lower().endswith(SUFFIXES) and n[0] != "."]
        found += [Path(home) / name for name in seen]
    if not found:
        raise UsageError(f"{path} holds no images; they end in {', '.join(SUFFIXES[:3])}, ...")
    return [(str(file), file) for file in found]


def _read(items: Iterable[Item], reader: Reader) -> Iterator[tuple[str, Tensor | str]]:
    """(name, input or why there is none), one an image; arrays are named by their place."""
    place = 0
    for name, held in items:
        if not isinstance(held, Path):
            for one in reader.array(held):
                yield str(place), one
                place += 1
            continue
        place += 1
        try:
            yield name, reader.file(held)
        except BadImageError as error:
            yield name, str(error).removeprefix(f"{held}: ")


def _made(
    source: Opened, inputs: Iterator[tuple[str, Tensor | str]], how: How
) -> Iterator[Prediction]:
    """Inputs in batches through the net; the first batch decides the way it is run."""
    way: Ready | None = None
    net = source.net
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    for batch in _batches(inputs):
        good = [x for _, x in batch if isinstance(x, Tensor)]
        rows: Iterator[Prediction] = iter(())
        if good:
            x = torch.stack(good).to(device)
            with evaluating(net):
                if way is None:
                    way = _way(net, x, how)
                rows = told(source, way.call(x).cpu(), how.top)
        for name, one in batch:
            if isinstance(one, str):
                yield Prediction(name, error=one)
            else:
                yield _named(next(rows), name)


def _way(net: nn.Module, x: Tensor, how: How) -> Ready:
    way = ready(net, x, how.precision, how.fast)
    how.tell(way.words())
    for note in way.notes:
        how.tell(f"not faster: {note}")
    return way


def _batches(
    inputs: Iterator[tuple[str, Tensor | str]],
) -> Iterator[list[tuple[str, Tensor | str]]]:
    held: list[tuple[str, Tensor | str]] = []
    most = MOST
    for name, one in inputs:
        held.append((name, one))
        if isinstance(one, Tensor):
            most = max(1, min(MOST, VALUES // max(1, one.numel())))
        if len(held) >= most:
            yield held
            held = []
    if held:
        yield held


def told(source: Opened, out: Tensor, top: int) -> Iterator[Prediction]:
    """Outputs (N, classes) as predictions without names of images.

    Raises:
        UsageError: one output, and nothing says what it means.
    """
    if source.loss in NUMBERS:
        for row in out.tolist():
            yield Prediction("", values=tuple(row))
        return
    shares = _shares(out, source.loss)
    source.named(shares.shape[1])
    values, order = shares.topk(min(top, shares.shape[1]), dim=1)
    for row, share, index in zip(out, values.tolist(), order.tolist(), strict=True):
        if not bool(torch.isfinite(row).all()):
            yield Prediction("", error="the net's outputs are not finite")
            continue
        guesses = tuple(Guess(source.label(i), i, p) for p, i in zip(share, index, strict=True))
        first = guesses[0]
        yield Prediction("", first.label, first.index, first.probability, guesses)


def _shares(out: Tensor, loss: str) -> Tensor:
    """Logits (N, K) as probabilities (N, classes).

    Raises:
        UsageError: one output under another loss than bce.
    """
    if out.shape[1] == 1 and loss != "bce":
        raise UsageError(
            "the network has one output and nothing says what it means; give --loss bce for the"
            " probability of class 1, or --loss mse for a number"
        )
    return probabilities(out.double(), loss)


def _named(made: Any, name: str) -> Prediction:
    return Prediction(
        name, made.label, made.index, made.probability, made.top, made.values, made.error
    )
