"""`undertow train --resume` after SIGKILL, under torchrun; refusals end with 2."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import undertow
from tests.unit.cli.command import run
from tests.unit.data.pictures import classes

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(undertow.__file__).parents[1])}
NET = ("mlp", "--depth", "2", "--norm", "batch", "--data", "digits", "--batch", "64")
LONG = (*NET, "--epochs", "8", "--schedule", "cosine", "--checkpoint-every", "7", "-q")


def alike(one: Path, two: Path) -> bool:
    a, b = (load_file(p / "checkpoints" / "last.safetensors") for p in (one, two))
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


def started(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "undertow", *words],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lr", "0.5"), "lr: 0.02 is now 0.5"),
        (("--act", "tanh"), "act: relu is now tanh"),
        (("--data", "synthetic:1x8x8:10"), "the data are not those"),
        (("--run", "elsewhere"), "leave --run out"),
    ],
)
def test_what_may_not_change_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    folder = str(tmp_path / "r")
    data = ("--data", "digits") if "synthetic" in " ".join(words) else ()
    made = run("train", *NET[:5], *data, "--steps", "2", "--act", "relu", "--run", folder, "-q")
    assert made.code == 0
    found = run("train", "--resume", folder, *words, "-q")
    assert found.code == 2
    assert said in found.err


@pytest.mark.parametrize("option", [(), ("--accept-data-change",)])
def test_other_classes_are_refused_whatever_is_accepted(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    """Without one, class 0 would quietly be another; with one more the net has no output."""
    home, folder = tmp_path / "d", str(tmp_path / "r")
    classes(home, {"cat": 5, "dog": 5, "eel": 5}, 16)
    words = ("conv", "--depth", "2", "--data", str(home), "--side", "16", "--steps", "1", "-q")
    assert run("train", *words, "--run", folder).code == 0
    classes(home, {"fox": 2}, 16)
    found = run("train", "--resume", folder, *option, "-q")
    assert found.code == 2
    assert "trained on 3 classes, the data now have 4, with fox; bring them back" in found.err
    shutil.rmtree(home / "fox")
    shutil.rmtree(home / "cat")
    found = run("train", "--resume", folder, *option, "-q")
    assert found.code == 2
    assert "the data now have 2, without cat; bring them back" in found.err


@pytest.mark.parametrize(
    ("y", "loss", "said"),
    [
        (np.arange(60) % 3 + 0.5, "cross-entropy", "targets of N floats for 1 outputs"),
        (np.arange(60) % 3, "mse", "targets of N whole numbers for 3 outputs"),
    ],
)
def test_a_loss_that_does_not_take_the_targets_ends_with_2(
    tmp_path: Path, y: "np.ndarray[Any, Any]", loss: str, said: str
) -> None:
    data = tmp_path / "d.npz"
    np.savez(data, x=np.zeros((60, 4), np.float32), y=y)
    words = ("mlp", "--depth", "2", "--data", str(data), "--loss", loss, "-q")
    found = run("train", *words, "--run", str(tmp_path / "r"))
    assert (found.code, said in found.err) == (2, True)
    assert not (tmp_path / "r" / "run.json").exists()


def test_a_class_that_only_the_held_back_part_would_have_is_refused(tmp_path: Path) -> None:
    classes(tmp_path / "d", {"cat": 1, "dog": 1, "eel": 1}, 16)
    words = ("conv", "--depth", "2", "--data", str(tmp_path / "d"), "-q")
    found = run("train", *words, "--run", str(tmp_path / "r"))
    assert found.code == 2
    assert "holds back the only one of" in found.err


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    found = run("train", "--resume", str(tmp_path), "-q")
    assert (found.code, "has no checkpoint" in found.err) == (2, True)


def test_bad_images_end_with_2_and_the_data_are_shown(tmp_path: Path) -> None:
    classes(tmp_path, {"cat": 8, "dog": 8}, 16)
    for i in range(4):
        (tmp_path / "dog" / f"00{i}.png").write_text("no picture")
    words = ("train", "conv", "--depth", "2", "--data", str(tmp_path), "-q")
    found = run(*words, "--run", str(tmp_path.with_name("r")))
    assert found.code == 2
    assert "at least 2 of 16 images cannot be read" in found.err
    strict = run(*words, "--strict", "--run", str(tmp_path.with_name("s")))
    assert (strict.code, "stops at the first bad image" in strict.err) == (2, True)
    shown = run("data", str(tmp_path))
    assert shown.code == 0
    assert "bad        4 files" in shown.out
    assert "8 to 8 samples" in shown.out
    told = json.loads(run("data", str(tmp_path), "--json").out)
    assert told["parts"][0]["counts"] == [8, 8]
    assert run("data", str(tmp_path / "none")).code == 2


@pytest.mark.slow
def test_twenty_kills_at_random_moments_are_twenty_exact_resumes(tmp_path: Path) -> None:
    assert started("train", *LONG, "--run", str(tmp_path / "whole")).wait() == 0
    rng, exact = random.Random(0), 0
    for number in range(20):
        folder = tmp_path / str(number)
        stop = rng.randint(1, 180)
        child = started("train", *LONG, "--run", str(folder))
        lines = folder / "metrics.jsonl"
        while child.poll() is None:
            if lines.is_file() and lines.read_bytes().count(b"\n") >= stop:
                break
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert run("diagnose", str(folder)).code in (0, 1)
        assert started("train", "--resume", str(folder), "-q").wait() == 0
        exact += alike(tmp_path / "whole", folder)
    assert exact == 20


@pytest.mark.slow
def test_two_ranks_of_torchrun_and_a_resume_on_one(tmp_path: Path) -> None:
    def ranks(*words: str) -> int:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        command += ["--master-port", str(20000 + os.getpid() % 20000), "-m", "--", "undertow"]
        return subprocess.run(
            [*command, *words], env=ENVIRONMENT, capture_output=True, check=False
        ).returncode

    plain = ("mlp", "--depth", "2", "--data", "digits", "--lr", "0.1", "-q")
    assert ranks("train", *plain, "--batch", "32", "--steps", "20", "--run", f"{tmp_path}/two") == 0
    told = [json.loads((tmp_path / "two" / "ranks" / f"{r}.json").read_text()) for r in (0, 1)]
    assert [t["status"] for t in told] == ["done", "done"]
    assert told[0]["weights"] == told[1]["weights"]
    one = run("train", *plain, "--batch", "64", "--steps", "20", "--run", f"{tmp_path}/one")
    assert one.code == 0
    a, b = (load_file(tmp_path / n / "checkpoints" / "last.safetensors") for n in ("one", "two"))
    for key in a:
        if not key.startswith("~"):
            assert float((a[key] - b[key]).norm()) <= 1e-6 * float(a[key].norm())
    assert (tmp_path / "two" / "report.html").is_file()
