"""`undertow run` as a user types it: the script's own end, findings on stderr, a run left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from undertow.cli.run import _tell
from undertow.core.finding import Diagnosis, Symptom
from undertow.core.record import Record
from undertow.report.report import Report

SCRIPT = """
import sys, torch
from torch import nn
torch.manual_seed(0)
torch.set_num_threads(1)
net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
criterion = nn.CrossEntropyLoss()
opt = torch.optim.SGD(net.parameters(), lr=float(sys.argv[1]))
X = torch.randn(96, 6); Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
for step in range(120):
    opt.zero_grad(); loss = criterion(net(X), Y); loss.backward(); opt.step()
    print(step, loss.item())
print(sum(p.double().sum().item() for p in net.parameters()), file=sys.stderr)
exec(sys.argv[2])
"""
OURS = "undertow"


def started(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", *words]
    source = str(Path(__file__).resolve().parents[3] / "src")
    env = {**os.environ, "PYTHONPATH": source}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def test_output_code_and_traceback_are_the_scripts_own(folder: Path) -> None:
    end = "raise ValueError('mine')"
    bare = started(folder, "train.py", "0.5", end)
    seen = started(folder, "-m", OURS, "run", "--run", "runs/a", "train.py", "0.5", end)
    assert (seen.returncode, seen.stdout) == (bare.returncode, bare.stdout)
    assert bare.stderr.splitlines()[0] in seen.stderr.splitlines()  # the weights, bit for bit
    assert seen.stderr.endswith(bare.stderr.split("\n", 1)[1])  # the traceback, if any
    assert "healthy" in seen.stderr
    assert (folder / "runs" / "a" / "report.html").is_file()


def test_a_finding_may_fail_and_is_written_as_json(folder: Path) -> None:
    options = ["--fail-on-findings", "--json", "found.json"]
    seen = started(folder, "-m", OURS, "run", *options, "train.py", "0.0", "pass")
    assert seen.returncode == 1
    report = Report.from_json((folder / "found.json").read_text())
    assert f"{report.symptoms[0].id} {report.symptoms[0].name}" in seen.stderr
    assert len(seen.stdout.splitlines()) == 120
    (run,) = (folder / "runs").iterdir()
    assert run.name.startswith("train-")


@pytest.mark.slow
def test_an_interrupt_ends_as_python_ends(folder: Path) -> None:
    end = "import atexit, signal; atexit.register(print, 'left'); signal.raise_signal(2)"
    bare = started(folder, "train.py", "0.5", end)
    seen = started(folder, "-m", OURS, "run", "--quiet", "train.py", "0.5", end)
    assert (seen.returncode, seen.stdout) == (bare.returncode, bare.stdout)
    assert seen.stdout.endswith("left\n")
    assert seen.stderr == bare.stderr


def test_findings_that_no_mechanism_explains_are_not_called_healthy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = Symptom("UT109", "no-progress", (), 64, ())
    report = Report(Diagnosis("healthy", (found,)), Record("run"))
    _tell(report)
    said = capsys.readouterr().err
    assert "no-progress" in said
    assert "healthy" not in said
