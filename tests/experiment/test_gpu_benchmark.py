"""`benchmarks/gpu/run.py` in small on a CPU: every part runs, a kill loses nothing, it goes on."""

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch

HOME = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu"
DATA = "synthetic:3x32x32:10"
NETS = ("cifar_resnet20", "cifar_plain20", "cifar_resnet56", "cifar_plain56")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gpu_{name}", HOME / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def started(to: Path, *more: str) -> "subprocess.Popen[str]":
    words = [sys.executable, str(HOME / "run.py"), DATA, "--small", "--seeds", "1", "--to", str(to)]
    return subprocess.Popen([*words, *more], stdout=subprocess.PIPE, text=True)


def results(to: Path) -> list[dict[str, object]]:
    file = to / "results.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


@pytest.mark.slow
def test_every_part_runs_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    first = started(tmp_path)
    while first.poll() is None and len(results(tmp_path)) < 3:
        time.sleep(0.2)
    first.kill()
    first.communicate()
    before = results(tmp_path)
    second = started(tmp_path)
    said, _ = second.communicate(timeout=600)
    assert second.returncode == 0, said
    rows = results(tmp_path)
    assert rows[: len(before)] == before
    tasks = ["speed/training/b2", "speed/inference/b2", *(f"cifar/{n}/s0" for n in NETS)]
    assert [r["task"] for r in rows] == tasks
    assert all(r["small"] and r["torch"] == torch.__version__ for r in rows)
    assert "watched" in rows[0]["arms"]  # type: ignore[operator]
    assert said.count("not-shown") == 2
    assert "all done" in said


@pytest.mark.slow
def test_a_training_goes_on_where_its_time_ended(tmp_path: Path) -> None:
    cifar = loaded("cifar")
    setting = cifar.Setting(DATA, tmp_path, 3, 4, torch.device("cpu"), 0, 40)
    whole = cifar.Setting(DATA, tmp_path / "whole", 3, 4, torch.device("cpu"), 0, 40)
    sittings = [cifar.train(setting, "cifar_plain20", 0, 0.0) for _ in range(2)]
    assert sittings == [None, None]  # a step each
    last = cifar.train(setting, "cifar_plain20", 0, 600.0)
    assert last == cifar.train(whole, "cifar_plain20", 0, 600.0)
    assert (last["steps_done"], last["part"]) == (3, "held-back")


def row(net: str, seed: int, error: float) -> dict[str, object]:
    return {"task": f"cifar/{net}/s{seed}", "error": error}


def test_a_claim_holds_by_its_interval_over_three_seeds() -> None:
    answers = loaded("cifar").answers
    plain = [row("cifar_plain20", s, 0.10 + s / 1000) for s in range(3)]
    deeper = [row("cifar_plain56", s, 0.15 + s / 500) for s in range(3)]
    (found,) = answers([*plain, *deeper])
    assert found["verdict"] == "holds"
    assert found["difference"] == pytest.approx(0.051)
    assert answers([*plain[:2], *deeper[:2]])[0]["verdict"] == "not-shown"
    odd = [row("cifar_plain56", s, e) for s, e in enumerate((0.05, 0.2, 0.1))]
    assert answers([*plain, *odd])[0]["verdict"] == "not-shown"
    better = [row("cifar_plain56", s, 0.05 + s / 500) for s in range(3)]
    assert answers([*plain, *better])[0]["verdict"] == "fails"


def test_without_a_gpu_it_says_so_and_ends(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = [sys.executable, str(HOME / "run.py"), "--to", str(tmp_path / "r")]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "no GPU that torch can use" in found.stderr
    assert not (tmp_path / "r").exists()
