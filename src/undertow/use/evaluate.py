"""An opened net on a whole data set: every sample once, in eval mode, counted."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError, unknown
from undertow.core.scores import Miss
from undertow.data.arrays import Arrays
from undertow.data.files import Files
from undertow.data.pixels import Pixels
from undertow.nn.loss import criterion
from undertow.report.numbers import counted
from undertow.report.scores import Scores
from undertow.train.evaluation import CHUNK, VALUES, evaluating
from undertow.train.precision import autocast, has_bf16
from undertow.use.classes import Aligned, aligned
from undertow.use.crops import COUNTS, averaged
from undertow.use.metrics import Counted, Tally, Worst
from undertow.use.reading import Batch, Samples, samples
from undertow.use.source import Opened

PRECISIONS = ("fp32", "bf16")
REGRESSION = ("mse", "l1", "huber")
CACHED = 64  # images of a pass on a CPU, whose maps of 32 px its caches still hold
IMAGES = 4  # axes of a batch of images
CONSTANT = 0.95  # share of the guesses in one class that no longer looks at the input


@dataclass(frozen=True, eq=False)
class How:
    """How a net is evaluated.

    Attributes:
        part: of the data, for the reader.
        crops: of each image, 1 or 10.
        precision: fp32 or bf16.
        batch: samples of a forward pass; 0: what 64 MiB hold, at most 64 on a CPU, else 512.
        transform: the user's own pipeline, for a net that was trained through one.
        tell: called with samples done and in all.
    """

    part: str = "all"
    crops: int = 1
    precision: str = "fp32"
    batch: int = 0
    transform: Callable[[Any], Any] | None = None
    tell: Callable[[int, int], None] = lambda _done, _of: None


def evaluate(opened: Opened, data: Arrays, how: How) -> Scores:
    """Loss, accuracy, confusion, calibration and the samples of highest loss.

    Modes of the net are put back; weights, buffers and random states stay as they are.

    Args:
        opened: the net and what it says of itself.
        data: the samples; files that cannot be read are left out and named.
        how: crops, precision, batch.

    Raises:
        UsageError: data, classes, loss or options that do not fit the net.
    """
    _checked(how, opened.net)
    read = samples(opened, data, how.crops, how.transform)
    with torch.no_grad(), evaluating(opened.net):
        tally, fit = _counted(opened, read, how)
    return _scores(opened, read, how, tally, fit)


def _checked(how: How, net: nn.Module) -> None:
    if how.precision not in PRECISIONS:
        raise unknown("precision", how.precision, PRECISIONS)
    if how.crops not in COUNTS:
        raise UsageError(f"crops={how.crops} is not offered; give 1 or 10")
    if how.precision == "bf16" and not has_bf16(_device(net)):
        raise UsageError("this processor computes bf16 by emulation only; give --precision fp32")


def _counted(opened: Opened, read: Samples, how: How) -> tuple[Tally, Aligned | None]:
    data, tally, fit = read.data, None, None
    n = len(data.x)
    for batch in read.batches(how.batch or _size(data, how.crops, _device(opened.net))):
        out = _outputs(opened.net, batch, how)
        if tally is None:
            tally, fit = _begun(opened, data, out)
        y = (data.y if fit is None else fit.y)[list(batch.index)]
        tally.add(averaged(out, how.crops, tally.word), y, batch.index)
        how.tell(batch.index[-1] + 1, n)
    if tally is None:
        raise UsageError(f"{data.name}: no sample could be read; see them with undertow data")
    return tally, fit


def _size(data: Arrays, crops: int, device: torch.device) -> int:
    values = crops * torch.Size(data.shape).numel()
    most = CACHED if device.type == "cpu" else CHUNK
    return max(1, min(most, VALUES // max(1, values)))


def _outputs(net: nn.Module, batch: Batch, how: How) -> Tensor:
    """Logits of a batch (N·crops, C) in fp32, in the words of what went wrong where it does."""
    device = _device(net)
    with ExitStack() as stack:
        stack.enter_context(autocast(how.precision, device)())
        try:
            out = net(_placed(batch.x, device))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            if isinstance(error, UsageError):
                raise
            shape = "x".join(map(str, batch.x.shape[1:]))
            raise UsageError(f"the net does not take inputs of {shape}: {error}") from error
    if not isinstance(out, Tensor) or out.ndim > 2 or len(out) != len(batch.x):
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise UsageError(f"the net gives {found}; evaluate needs logits of shape (N, classes)")
    return out.float() if out.ndim > 1 else out.float().unsqueeze(1)


def _placed(x: Tensor, device: torch.device) -> Tensor:
    """On the net's device, images channels last: the faster layout, also of a net that is not."""
    layout = torch.channels_last if x.ndim == IMAGES else torch.preserve_format
    return x.to(device, memory_format=layout)


def _begun(opened: Opened, data: Arrays, out: Tensor) -> tuple[Tally, Aligned | None]:
    """Where counts go, once the number of outputs is known."""
    loss_fn, word = criterion(opened.loss or None, data.y)
    if not data.classes or word in REGRESSION:
        if word == "cross-entropy":
            raise UsageError(f"{data.name} has targets that are no classes; give --loss mse, l1"
                             " or huber, or data with classes")  # fmt: skip
        return Tally(0, loss_fn, word), None
    outputs = out.shape[1]
    if outputs == 1 and word != "bce":
        raise UsageError("the net has one output; give --loss bce if it is the logit of class 1,"
                         " or --loss mse if it is a number")  # fmt: skip
    fit = aligned(data, opened.names, outputs)
    return Tally(len(fit.names), loss_fn, word), fit


def _scores(opened: Opened, read: Samples, how: How, tally: Tally, fit: Aligned | None) -> Scores:
    found, data = tally.counted(), read.data
    names = () if fit is None else fit.names
    scores = Scores(
        opened.name,
        data.name,
        how.part,
        found.n,
        tally.word,
        found.loss,
        names,
        found.confusion,
        found.top5,
        found.bins,
        found.binary,
        tuple(_miss(w, data, names) for w in found.worst),
        how.crops,
        _told(read, how),
        tuple(read.skipped),
    )
    return replace(scores, notes=tuple(_notes(opened, found, fit)))


def _miss(found: Worst, data: Arrays, names: tuple[str, ...]) -> Miss:
    return Miss(
        _name(data, found.index),
        names[found.label],
        names[found.guess],
        found.loss,
        found.probability,
        found.confidence,
    )


def _name(data: Arrays, index: int) -> str:
    """The file of a sample, or its place."""
    if isinstance(data.x, Pixels) and isinstance(data.x.source, Files):
        return data.x.source.names[int(data.x.picks[index])]
    return f"sample {index}"


def _told(read: Samples, how: How) -> tuple[tuple[str, str], ...]:
    words = "as given" if read.inputs is None else read.inputs.words()
    return ("input", words), ("precision", how.precision)


def _notes(opened: Opened, found: Counted, fit: Aligned | None) -> list[str]:
    notes = [*opened.notes, *(() if fit is None else fit.notes)]
    if not opened.loss:
        notes.append("the run was trained with a loss of its own, which is not stored: the loss"
                     " shown is another")  # fmt: skip
    if fit is not None:
        notes += _constant(found, fit.names)
    if found.bad:
        notes.append(f"{counted(found.bad, 'sample')} gave outputs that are not finite")
    return notes


def _constant(found: Counted, names: tuple[str, ...]) -> list[str]:
    """A warning where nearly all guesses are one class and the labels are not."""
    guessed = [sum(column) / found.n for column in zip(*found.confusion, strict=True)]
    most = max(range(len(guessed)), key=guessed.__getitem__)
    if guessed[most] < CONSTANT or sum(found.confusion[most]) / found.n >= CONSTANT:
        return []
    return [f"{guessed[most]:.0%} of the guesses are {names[most]}: the net hardly looks at its"
            " input"]  # fmt: skip


def _device(net: nn.Module) -> torch.device:
    return next((p.device for p in net.parameters()), torch.device("cpu"))
