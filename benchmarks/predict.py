"""How much faster `predict` runs a net than the net itself, beside ONNX Runtime and OpenVINO.

    python benchmarks/predict.py [--nets resnet50,googlenet] [--batch 1] [--rounds 9] [--out FILE]
    python benchmarks/predict.py --agree FOLDER --weights resnet20-12fca82f.th [--images 2000]
    python benchmarks/predict.py --first

Ratios of CPU time in one process on one thread, arms interleaved, a second eager arm as control;
ONNX Runtime and OpenVINO take part where they are installed. Weights are drawn by a seed, batch
norms as after a training: the time of a net does not depend on what it has learned. `--agree`
counts the images of a folder of class folders on which the fast ways name the class that the net
itself names. `--first` is the CPU time from a checkpoint on disk to the first prediction: all of a
fresh process, the part of it that imports torch, and the rest.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from harness import Arm, interleave, surroundings
from torch import Tensor, nn

import undertow as ut
from undertow.data.arrays import load
from undertow.models import card
from undertow.nn.graph import folded
from undertow.train.precision import has_bf16
from undertow.use.export import Sample, export
from undertow.use.fast import ready
from undertow.use.images import Reader, prepared
from undertow.use.source import Opened, opened

NETS = "resnet50,googlenet,alexnet,vgg16"
FIRST = """
import time
import torch
cpu = time.process_time()
import undertow as ut
said = []
ut.predict({weights!r}, {image!r}, tell=said.append, precision={precision!r})
print(cpu, time.process_time() - cpu, said[0], sep="|")
"""


def lively(name: str) -> nn.Module:
    """A net whose norms are those of a trained one: none is the identity."""
    draw = torch.Generator().manual_seed(0)
    net = ut.build(name, seed=0, aux=0 if card(name).heads else None).eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.1, generator=draw)  # type: ignore[union-attr]
            m.running_var.uniform_(0.5, 2, generator=draw)  # type: ignore[union-attr]
    return net


def ways(name: str, net: nn.Module, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Every way to run the net on the batch, the net itself first and as its control."""
    last = x.to(memory_format=torch.channels_last)
    graph = folded(net)
    assert graph is not None
    graph = graph.to(memory_format=torch.channels_last)
    laid = lively(name).to(memory_format=torch.channels_last)
    found: dict[str, Callable[[], Tensor]] = {
        "eager NCHW": lambda: net(x),
        "control": lambda: net(x),
        "channels_last": lambda: laid(last),
        "folded, channels_last": lambda: graph(last),
    }
    for precision in ("fp32", "bf16") if has_bf16(x.device) else ("fp32",):
        way = ready(net, x, precision)
        found[f"predict {precision} ({way.path} {way.precision})"] = lambda w=way: w.call(x)
    return {**found, **others(name, net, x)}


def others(name: str, net: nn.Module, x: Tensor) -> dict[str, Callable[[], Tensor]]:
    """ONNX Runtime and OpenVINO on one thread, where they are installed."""
    found: dict[str, Callable[[], Tensor]] = {}
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "net.onnx"
        try:
            export(Opened(net, None, name=name), file, Sample(x.repeat(2, 1, 1, 1)[:2], "random"))
            import onnxruntime
        except (ImportError, ut.UndertowError) as error:
            sys.stderr.write(f"ONNX Runtime is left out: {error}\n")
            return found
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = torch.get_num_threads()
        held = file.read_bytes()
        session = onnxruntime.InferenceSession(held, options, providers=["CPUExecutionProvider"])
        given = {"input": x.numpy()}
        found["ONNX Runtime fp32"] = lambda: torch.from_numpy(session.run(None, given)[0])
        try:
            import openvino
        except ImportError:
            return found
        core = openvino.Core()
        for word in ("f32", "bf16"):
            how = {"INFERENCE_PRECISION_HINT": word, "INFERENCE_NUM_THREADS": 1}
            made = core.compile_model(core.read_model(file), "CPU", how)
            found[f"OpenVINO {word}"] = lambda m=made: torch.from_numpy(m(x.numpy())[0])
    return found


@torch.no_grad()
def peak() -> float:
    """GFLOP/s of a convolution alone, fp32, 3x3, 256 to 256 channels, 14 px: the best of 30."""
    x = torch.randn(1, 256, 14, 14)
    net = nn.Sequential(nn.Conv2d(256, 256, 3, padding=1), nn.AvgPool2d(14), nn.Flatten())
    call = ready(net.eval(), x, "fp32").call
    spent = []
    for _ in range(30):
        began = time.process_time()
        call(x)
        spent.append(time.process_time() - began)
    return 2 * 256 * 256 * 9 * 14 * 14 / min(spent) / 1e9


@torch.no_grad()
def speed(name: str, batch: int, rounds: int) -> dict[str, object]:
    """Speed-ups over the net itself, and what share of the core's peak each reaches."""
    side = card(name).input[1]
    net = lively(name)
    x = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = ways(name, net, x)
    wanted = net(x)
    for way in found.values():
        assert torch.equal(way().argmax(1), wanted.argmax(1))
    arms: dict[str, Arm] = {k: (lambda w=w: (w(), None)[1]) for k, w in found.items()}
    began = time.process_time()
    net(x)
    eager = time.process_time() - began
    flops = 2 * card(name).macs * batch
    rows = {
        r.name: {
            "speed_up": round(1 / r.median, 3),
            "quartiles": [round(1 / r.high, 3), round(1 / r.low, 3)],
            "quiet_half": round(1 / r.quiet, 3),
        }
        for r in interleave(arms, rounds)
    }
    spent = [eager]
    for _ in range(4):
        began = time.process_time()
        net(x)
        spent.append(time.process_time() - began)
    return {
        "net": name,
        "batch": batch,
        "rounds": rounds,
        "eager_ms_an_image": round(1e3 * median(spent) / batch, 1),
        "eager_gflops": round(flops / median(spent) / 1e9, 1),
        "conv_gflops": round(peak(), 1),
        "over_eager": rows,
    }


@torch.no_grad()
def agree(folder: str, weights: str, images: int) -> dict[str, object]:
    """How many images get the class that the net itself gives them."""
    made = opened(weights)
    data = load(folder)
    test = data.test or data
    pick = torch.linspace(0, len(test.x) - 1, min(images, len(test.x))).long()
    test = prepared(test.take(pick), Reader(made.ready()))
    x = test.x[:]
    wanted = torch.cat([made.net(part) for part in x.split(250)])
    rows = {}
    for precision in ("fp32", "bf16") if has_bf16(x.device) else ("fp32",):
        way = ready(made.net, x[:32], precision)
        out = torch.cat([way.call(part) for part in x.split(250)])
        same = int((out.argmax(1) == wanted.argmax(1)).sum())
        apart = (out.softmax(1) - wanted.softmax(1)).abs().max()
        rows[f"{way.path} {way.precision}"] = {
            "same_class": same,
            "share": same / len(x),
            "largest_change_of_a_probability": round(float(apart), 6),
            "right": int((out.argmax(1) == test.y).sum()),
        }
    right = int((wanted.argmax(1) == test.y).sum())
    return {"net": Path(weights).name, "images": len(x), "right_eager": right, "ways": rows}


def first() -> dict[str, object]:
    """CPU seconds from a ResNet-50 checkpoint on disk to the first prediction, fresh processes."""
    from PIL import Image

    rows = {}
    with tempfile.TemporaryDirectory() as home:
        file, photo = Path(home) / "resnet50.safetensors", Path(home) / "photo.jpg"
        how = opened_like("resnet50")
        export(how, file, Sample(torch.randn(2, 3, 224, 224), "random"))
        Image.effect_noise((500, 400), 60).convert("RGB").save(photo)
        for threads, precision in ((1, "fp32"), (2, "fp32"), (1, "auto")):
            code = FIRST.format(weights=str(file), image=str(photo), precision=precision)
            told = [_said(code, threads).split("|") for _ in range(3)]
            spent = [(float(t[0]), float(t[1])) for t in told]
            rows[f"{precision}, {threads} thread{'s' if threads > 1 else ''}"] = {
                "torch_import_cpu_s": round(median(a for a, _ in spent), 2),
                "ours_cpu_s": round(median(b for _, b in spent), 2),
                "from_process_start_cpu_s": round(median(map(sum, spent)), 2),
                "way": told[0][2],
            }
    return {"net": "resnet50", "to_first_prediction": rows}


def _said(code: str, threads: int) -> str:
    how = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    call = [sys.executable, "-c", code]
    return subprocess.run(call, capture_output=True, text=True, check=True, env=how).stdout.strip()


def opened_like(name: str) -> Opened:
    """A net of seeded weights with its published inputs."""
    from undertow.models import plan_of, resolve
    from undertow.use.source import of_card

    return Opened(lively(name), of_card(name), plan=resolve(plan_of(name)), name=name)


def main() -> None:
    """Measure, print a line of JSON each, append them to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nets", default=NETS)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--agree")
    parser.add_argument("--weights")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--out")
    typed = parser.parse_args()
    torch.set_num_threads(1)
    if typed.first:
        made = [first()]
    elif typed.agree:
        made = [agree(typed.agree, typed.weights, typed.images)]
    else:
        made = (speed(name, typed.batch, typed.rounds) for name in typed.nets.split(","))
    for found in made:
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        line = json.dumps({**surroundings(), "peak_rss_mib": peak_mib, **found})
        sys.stdout.write(line + "\n")
        if typed.out:
            with Path(typed.out).open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
