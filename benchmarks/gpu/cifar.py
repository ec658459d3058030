"""ResNets and plain nets on CIFAR-10 with the recipe of He et al. 2016, sec. 4.2, in sittings."""

import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from undertow.api.prepare import prepared
from undertow.api.resume import Again, resumed
from undertow.api.target import source
from undertow.api.train import trained
from undertow.core.plan import Plan, TrainChoices
from undertow.core.scores import wilson
from undertow.data.arrays import Arrays, load
from undertow.data.pixels import Pixels
from undertow.experiment.effect import SEEDS, interval
from undertow.train.evaluation import evaluate
from undertow.train.job import Job, Limits

NETS = ("cifar_resnet20", "cifar_plain20", "cifar_resnet56", "cifar_plain56")
PAIRS = (
    ("cifar_plain20", "cifar_plain56"),
    ("cifar_resnet56", "cifar_resnet20"),
)  # (better, worse)
DROPS = (0.5, 0.75)  # of the steps: 32k and 48k of 64k
HELD = 0.1  # 5k of the 50k training images, as in the paper


@dataclass(frozen=True)
class Setting:
    """What all trainings share.

    Attributes:
        data: FOLDER, CIFAR binaries or a name that `load` knows.
        to: folder of the runs.
        steps: of each training; the paper's 64,000.
        batch: the paper's 128.
        device: they run on.
        workers: processes that read images.
        most: samples used; None for all.
    """

    data: str
    to: Path
    steps: int
    batch: int
    device: torch.device
    workers: int
    most: int | None = None


def train(setting: Setting, net: str, seed: int, budget_s: float) -> dict[str, Any] | None:
    """One training, gone on with where the last sitting ended; None if it is not at its end yet."""
    folder = setting.to / f"{net}-{setting.steps}-s{seed}"
    limits = Limits(checkpoint_every=250, budget_s=budget_s, workers=setting.workers)
    data = _data(setting)
    began = time.monotonic()
    if (folder / "checkpoints" / "last.safetensors").is_file():
        job = resumed(Again(folder, limits, data), {})
    else:
        job = _job(setting, data, net, seed, folder, limits)
    job.net.to(setting.device)
    run = trained(job)
    if run.interrupted:
        raise KeyboardInterrupt
    done = run.metrics[-1].step + 1 if run.metrics else 0
    if done < job.total and time.monotonic() - began >= budget_s:
        return None
    return {**_row(setting, job, data, net, seed), "steps_done": done}


def _data(setting: Setting) -> Arrays:
    data = load(setting.data)
    return data if setting.most is None else data.take(torch.arange(setting.most))


def _job(setting: Setting, data: Arrays, net: str, seed: int, folder: Path, limits: Limits) -> Job:
    epoch = max(1, round((1 - HELD) * len(data.x) / setting.batch))
    drops = tuple(round(share * setting.steps / epoch) for share in DROPS)
    stepped = all(a < b for a, b in pairwise((0, *drops)))
    choices = TrainChoices(
        lr=0.1,
        batch=setting.batch,
        l2=1e-4,
        steps=setting.steps,
        schedule="multi-step" if stepped else "constant",
        milestones=drops if stepped else (),
        gamma=0.1,
        augment="shift,flip",
        standardise=True,
        precision="fp32",
    )
    made = source(Plan(net, train=choices, seed=seed), data)
    return prepared(made, data, HELD, seed, folder, limits)


def _row(setting: Setting, job: Job, data: Arrays, net: str, seed: int) -> dict[str, Any]:
    """What the last weights are worth on the test part (without one, on what was held back)."""
    part = "test" if data.test is not None else "held-back"
    found = evaluate(job.net, _test(job, data), job.loss_fn, job.total)
    right = round((found.accuracy or 0.0) * found.samples)
    return {
        "task": f"cifar/{net}/s{seed}",
        "data": data.name,
        "part": part,
        "steps": setting.steps,
        "batch": setting.batch,
        "n": found.samples,
        "error": 1 - right / found.samples,
        "interval": [1 - v for v in reversed(wilson(right, found.samples))],
        "loss": found.loss,
    }


def _test(job: Job, data: Arrays) -> Arrays:
    """The test part as the net saw its training part."""
    test, scale = data.test, job.train.scale
    if test is None:
        return job.held
    assert isinstance(test.x, Pixels)
    return replace(test, x=replace(test.x, scale=scale))


def answers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Is the one net better than the other? Differences of test error over the seeds both have."""
    errors = {(r["task"].split("/")[1], r["task"].split("/")[2]): r["error"] for r in rows}
    found = []
    for better, worse in PAIRS:
        seeds = sorted({s for n, s in errors if n == better} & {s for n, s in errors if n == worse})
        gaps = [errors[worse, s] - errors[better, s] for s in seeds]
        if gaps:
            found.append({"claim": f"{better} errs less than {worse}", **_effect(gaps)})
    return found


def _effect(gaps: list[float]) -> dict[str, Any]:
    """Mean and t interval over the seeds; below three they show nothing."""
    mean, (low, high) = sum(gaps) / len(gaps), interval(gaps)
    if len(gaps) < SEEDS:
        return {"difference": mean, "seeds": len(gaps), "verdict": "not-shown"}
    verdict = "holds" if low > 0 else "fails" if high < 0 else "not-shown"
    return {"difference": mean, "interval": [low, high], "seeds": len(gaps), "verdict": verdict}
