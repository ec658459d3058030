"""`ut.export`: a trained net as a file for others, compared with the net itself."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from undertow.api.evaluate import data_of
from undertow.api.opened import opened
from undertow.core.errors import UndertowError
from undertow.core.exported import Exported
from undertow.core.inputs import Inputs
from undertow.core.run import Run
from undertow.use.export import MOST, Sample, sample_of
from undertow.use.export import export as written
from undertow.use.predict import listed, reader_of
from undertow.use.reading import samples
from undertow.use.source import Opened

__all__ = ["export", "exported", "opened"]


def export(
    run_or_net: str | Path | Run | nn.Module,
    to: str | Path,
    *,
    images: Any = None,
    opset: int | None = None,
    weights: str | Path | None = None,
    model: str | None = None,
    preprocessing: str | Inputs | None = None,
    size: str | int | tuple[int, ...] | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    range: tuple[float, ...] | None = None,
    names: tuple[str, ...] = (),
    loss: str | None = None,
) -> Exported:
    """Write a trained net as .onnx, .pt2 or .safetensors, and compare the file with the net.

    The batch axis is free. Preprocessing, class names and loss stand in the file and in the .json
    beside it; inputs are already sized and scaled. Auxiliary heads are left out.

    Args:
        run_or_net: a run (or its folder), a .safetensors or .pth file, a module; with `weights`
            a card's name or `file.py:callable`.
        to: the file; it is replaced when the new one is whole.
        images: to compare on, as `ut.predict` takes them; None: the run's own data where they are
            still there, else random pixels.
        opset: of ONNX; None is the exporter's own.
        weights: a published tag, a file or a run.
        model: what net a file is of, where it does not say.
        preprocessing: that of a published file.
        size: of an input, where nothing says it.
        mean: of each channel.
        std: of each channel.
        range: what a pixel's 0 and 255 become.
        names: of the classes.
        loss: word: what the outputs mean.

    Raises:
        UsageError: no such net, ending or folder, or an opset that cannot hold the net.
        EnvironmentFaultError: a missing extra, a net that cannot be exported, or a file whose
            outputs are further than 1e-4 from the net's: it is removed.
    """
    source = opened(
        run_or_net,
        weights=weights,
        model=model,
        preprocessing=preprocessing,
        size=size,
        mean=mean,
        std=std,
        range=range,
        names=names,
        loss=loss,
    )
    return exported(source, to, images, opset)


def exported(
    source: Opened, to: str | Path, images: Any = None, opset: int | None = None
) -> Exported:
    """The same of an opened net."""
    return written(source, Path(to), _sample(source, images), opset)


def _sample(source: Opened, images: Any) -> Sample:
    if images is not None:
        items = listed(images)[:MOST]
        reader = reader_of(source, items, None)
        read = [reader.file(x)[None] if isinstance(x, Path) else reader.array(x) for _, x in items]
        return sample_of(source, [one for batch in read for one in batch], "given")
    return sample_of(source, _own(source), "the run's own data")


def _own(source: Opened) -> list[Tensor]:
    """A few inputs of the data a run was trained on; none where they are gone."""
    if source.plan is None or not source.plan.data:
        return []
    try:
        return list(next(samples(source, data_of(source)).batches(MOST)).x)
    except (UndertowError, StopIteration):
        return []
