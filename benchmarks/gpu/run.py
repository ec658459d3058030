"""What a GPU does with this project: ResNet-50's speed, and does depth help, on CIFAR-10.

    python benchmarks/gpu/run.py [DATA] [--to runs/gpu] [--minutes 9] [--steps 64000] [--seeds 3]
                                 [--small]

DATA is CIFAR-10: a folder with `train/` and `test/`, or its binary files; without it only speed
is measured. One call works for so many minutes and ends; the next goes on where it ended, also
after a kill, until all is measured. Results stand in `--to`/results.jsonl, a line each, with
device and versions. `--small` runs every part in seconds on a CPU, to see that it works: its
figures mean nothing.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the harness stands one folder up

import cifar
import speed
from harness import surroundings

from undertow.core.codec import encode

Row = dict[str, Any]
Task = Callable[[float], Row | None]  # seconds left -> its result; None: not at its end yet
LEAST = 60.0  # seconds that must be left for a task to begin


def main() -> None:
    """Work off the tasks that have no result yet."""
    typed = _typed()
    if not typed.small and not torch.cuda.is_available():
        raise SystemExit("no GPU that torch can use; see that it works with --small")
    typed.to.mkdir(parents=True, exist_ok=True)
    end = monotonic() + 60 * typed.minutes
    for name, task in _tasks(typed):
        if name in {row["task"] for row in read(typed.to)}:
            continue
        left = end - monotonic()
        row = task(left) if typed.small or left > LEAST else None
        if row is None:
            said(f"{name}: not done yet; call again to go on")
            return
        kept(typed.to, {**row, **_where(), "small": typed.small})
        said(f"{name}: done")
    for found in cifar.answers([r for r in read(typed.to) if r["task"].startswith("cifar/")]):
        said(json.dumps(encode(found)))
    said(f"all done: {typed.to / 'results.jsonl'}")


def _typed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--to", type=Path, default=Path("runs") / "gpu")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--steps", type=int, default=64_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    return parser.parse_args()


def _tasks(typed: argparse.Namespace) -> Iterator[tuple[str, Task]]:
    """Name and work of everything there is to measure, the quick first."""
    device = torch.device("cpu" if typed.small else "cuda")
    for batch in (2,) if typed.small else (256,):
        yield f"speed/training/b{batch}", _once(speed.training, _load(typed, device, batch))
    for batch in (2,) if typed.small else (1, 512):
        yield f"speed/inference/b{batch}", _once(speed.inference, _load(typed, device, batch))
    if typed.data is None:
        return
    setting = _setting(typed, device)
    for seed in range(typed.seeds):
        for net in cifar.NETS:
            yield f"cifar/{net}/s{seed}", partial(cifar.train, setting, net, seed)


def _once(measure: Callable[[speed.Load], Row], load: speed.Load) -> Task:
    return lambda _left: measure(load)


def _load(typed: argparse.Namespace, device: torch.device, batch: int) -> speed.Load:
    if typed.small:
        return speed.Load(
            device, "cifar_resnet20", batch, side=32, passes=1, rounds=2, compiled=False
        )
    passes = 5 if batch > 1 else 100  # a sitting must hold all arms of a task, compiling too
    return speed.Load(device, "resnet50", batch, side=224, passes=passes, rounds=10, compiled=True)


def _setting(typed: argparse.Namespace, device: torch.device) -> cifar.Setting:
    if typed.small:
        return cifar.Setting(
            typed.data, typed.to, steps=2, batch=4, device=device, workers=0, most=40
        )
    workers = min(8, max(1, (os.cpu_count() or 2) - 1))
    return cifar.Setting(typed.data, typed.to, typed.steps, 128, device, workers)


def read(to: Path) -> list[Row]:
    """The results so far; a line that was cut is none."""
    file = to / "results.jsonl"
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def kept(to: Path, row: Row) -> None:
    """One more result, all of them whole at any moment."""
    lines = [json.dumps(r) for r in (*read(to), encode(row))]
    part = to / "results.jsonl.part"
    with part.open("w", encoding="utf-8") as held:
        held.write("\n".join(lines) + "\n")
        held.flush()
        os.fsync(held.fileno())
    part.replace(to / "results.jsonl")


def _where() -> Row:
    """Device and versions, as they stand beside every figure."""
    found = surroundings()
    if torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name(0)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
        found["tf32"] = torch.backends.cudnn.allow_tf32
    return found


def said(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
