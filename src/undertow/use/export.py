"""A trained net as a file for others: ONNX, torch's own export, or plain weights; each checked."""

import io
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.exported import Exported
from undertow.models import checkpoints
from undertow.nn.copying import copied
from undertow.use.fast import CLOSE, look
from undertow.use.images import Reader
from undertow.use.source import Opened

INPUT, OUTPUT, BATCH = "input", "logits", "batch"
ABOUT = "undertow"  # key of the metadata
MOST = 4  # images of the batch that is compared
EXTRA = ("onnx", "onnxscript", "onnxruntime")

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Sample:
    """A batch that an export is checked on, (N, ...) fp32 with N ≥ 2, and where it is from."""

    x: Tensor
    source: str


def export(source: Opened, path: Path, sample: Sample, opset: int | None = None) -> Exported:
    """Write a net where its outputs, read back, are those of the net; nothing is left otherwise.

    Auxiliary heads are left out. The JSON beside it holds preprocessing, class names and loss.

    Args:
        source: the net.
        path: ends in .onnx, .pt2 or .safetensors; replaced when the new file is whole.
        sample: what it is checked on, and traced with.
        opset: of ONNX; None is the exporter's own.

    Raises:
        UsageError: another ending, no such folder, or an opset that cannot hold the net.
        EnvironmentFaultError: a missing extra, a net that cannot be exported, or a file whose
            outputs are not the net's.
    """
    writer = _writer(path, opset)
    plain = without_heads(source.net)
    wanted = look(plain, sample.x).out
    source.named(max(wanted.shape[1], 2))  # one unit has two classes
    told = about(source)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        version = writer(plain, part, sample.x, told, opset)
        run = READERS[path.suffix](part, plain)
        apart = _compared(run, sample.x, wanted, path)
        size = part.stat().st_size
        part.replace(path)
    except OSError as error:
        raise EnvironmentFaultError(f"{path} could not be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    beside = _beside(path, told)
    kind, n = path.suffix[1:], len(sample.x)
    return Exported(path, beside, kind, size, n, sample.source, apart, version)


def about(source: Opened) -> dict[str, Any]:
    """What stands beside an exported net: how images become inputs, classes, loss, plan."""
    plan = source.plan
    if plan is not None:
        plan = replace(plan, choices=replace(plan.choices, aux=0), data="")  # no one's own path
    return {
        "preprocessing": None if source.inputs is None else source.inputs.told(),
        "classes": list(source.names),
        "loss": source.loss,
        "plan": None if plan is None else asdict(plan),
        "transform_input": bool(getattr(source.net, "transform_input", False)),
    }


def sample_of(source: Opened, given: Sequence[Tensor], word: str) -> Sample:
    """A batch for checking: inputs given, else random images.

    Args:
        source: the net.
        given: inputs, (C, H, W) or (features,) each; () for random ones.
        word: where they are from.

    Raises:
        UsageError: nobody has said what an input is.
    """
    if given:
        x = torch.stack(list(given[:MOST]))
        return Sample(x if len(x) > 1 else x.repeat(2, *[1] * (x.ndim - 1)), word)
    how = source.ready()
    draw = torch.Generator().manual_seed(0)
    if how.range is None or how.transform is not None:
        return Sample(torch.randn(MOST, *how.shape, generator=draw), "random")
    low, high = how.range
    floats = torch.rand(MOST, *how.shape, generator=draw) * (high - low) + low
    return Sample(Reader(how).array(floats), "random pixels")


def without_heads(net: nn.Module) -> nn.Module:
    """A copy in eval mode, on the CPU, without the auxiliary heads that only training sees."""
    made = copied(net).eval().cpu()
    for path in getattr(net, "heads", ())[1:]:
        setattr(made, path.partition(".")[0], None)
    return made


def _writer(path: Path, opset: int | None) -> Callable[..., int | None]:
    if path.suffix not in WRITERS:
        raise UsageError(f"--to {path} has no known ending; give .onnx, .pt2 or .safetensors")
    if opset is not None and path.suffix != ".onnx":
        raise UsageError("--opset is of ONNX; give it with a .onnx file")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder; make it first")
    return WRITERS[path.suffix]


def _onnx(net: nn.Module, part: Path, x: Tensor, told: dict[str, Any], opset: int | None) -> int:
    onnx = _extra()
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and not 1 <= opset <= newest:
        raise UsageError(f"--opset {opset} does not exist in onnx {onnx.__version__}; give 18 to"
                         f" {newest}")  # fmt: skip
    with _quiet():
        made = _exported(
            lambda: torch.onnx.export(
                net,
                (x,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
        )
        model = made.model_proto
    version = next(int(i.version) for i in model.opset_import if i.domain == "")
    if opset not in (None, version):
        raise UsageError(f"opset {opset} cannot hold this network; it needs {version} or later")
    entry = model.metadata_props.add()
    entry.key, entry.value = ABOUT, json.dumps(told)
    onnx.save(model, part)
    return version


def _pt2(net: nn.Module, part: Path, x: Tensor, told: dict[str, Any], _: int | None) -> None:
    shapes = ({0: torch.export.Dim(BATCH)},)
    with _quiet():
        made = _exported(lambda: torch.export.export(net, (x,), dynamic_shapes=shapes))
        with part.open("wb") as file:
            torch.export.save(made, file, extra_files={ABOUT: json.dumps(told)})


def _weights(net: nn.Module, part: Path, x: Tensor, told: dict[str, Any], _: int | None) -> None:
    checkpoints.save(net, part, told)


def _exported(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # exporters raise many kinds, all meaning one thing here
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise EnvironmentFaultError(
            f"torch cannot export this network ({type(error).__name__}: {first}); .safetensors"
            " holds its weights all the same"
        ) from error


def _extra() -> Any:
    """The onnx package, where all that ONNX needs is installed."""
    from importlib import import_module
    from importlib.util import find_spec

    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise EnvironmentFaultError(
            f"ONNX needs {', '.join(missing)}: pip install 'undertow[export]'; .pt2 and"
            " .safetensors need nothing more"
        )
    return import_module("onnx")


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters print, warn and log; none of it is of use to who exports."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


def _by_runtime(file: Path, _: nn.Module) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with _quiet():
        session = _exported(
            lambda: onnxruntime.InferenceSession(
                file.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        )
    return lambda x: torch.from_numpy(session.run([OUTPUT], {INPUT: x.numpy()})[0])


def _by_torch(file: Path, _: nn.Module) -> Run:
    with _quiet(), file.open("rb") as held:
        module = torch.export.load(held).module()
    return torch.no_grad()(module)


def _by_weights(file: Path, net: nn.Module) -> Run:
    made = copied(net)
    checkpoints.load(made, checkpoints.read(file))
    return torch.no_grad()(made)


def _compared(run: Run, x: Tensor, wanted: Tensor, path: Path) -> float:
    """How far a file's outputs are from the net's, also where only a part of the batch is given.

    Raises:
        EnvironmentFaultError: further than 1e-4, or another class.
    """
    found = torch.cat((run(x[:1]), run(x)[1:]))
    apart = float((found - wanted).norm() / wanted.norm().clamp_min(1e-30))
    same = torch.equal(_top(found), _top(wanted))
    if not apart <= CLOSE or not same:
        raise EnvironmentFaultError(
            f"{path} is not written: its outputs are {apart:.1g} away from the net's"
            f"{'' if same else ' and name another class'}; report this with the model's name"
        )
    return apart


def _top(out: Tensor) -> Tensor:
    return out.argmax(1) if out.shape[1] > 1 else out[:, 0] > 0


def _beside(path: Path, told: dict[str, Any]) -> Path:
    beside = path.with_suffix(".json")
    part = beside.with_name(f".{os.getpid()}.{beside.name}")
    part.write_text(json.dumps(told, indent=1), encoding="utf-8")
    part.replace(beside)
    return beside


WRITERS: dict[str, Callable[..., int | None]] = {
    ".onnx": _onnx,
    ".pt2": _pt2,
    ".safetensors": _weights,
}
READERS: dict[str, Callable[[Path, nn.Module], Run]] = {
    ".onnx": _by_runtime,
    ".pt2": _by_torch,
    ".safetensors": _by_weights,
}
