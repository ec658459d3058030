"""The run folder survives kills, full disks and damage, and comes back as written."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.finding import Evidence, Symptom
from undertow.core.plan import Plan
from undertow.core.record import Column, Layer, LinePoint, OptimizerFacts, Record, Scalars, Snapshot
from undertow.record import store
from undertow.record.schema import as_written
from undertow.record.store import RunWriter, read_events, read_extra, read_run, read_units

LAYERS = tuple(Layer(f"l{i}", "Conv2d", i, act="relu", weight_std=0.1) for i in range(3))
HEAD = Record(
    plan=Plan("conv", sizes=(("depth", 12), ("pool_at", (4, 8)))),
    optimizer=OptimizerFacts("sgd", lr=0.1, momentum=0.9),
    const_loss=math.log(10),
    static=(Symptom("UT204", "input-range", (), 0, (Evidence("rms", "", 0, 30.0, 10.0),)),),
    curvature=31.4159265,
    line=(LinePoint(0.001, 2.3), LinePoint(1000.0, math.nan)),
    one_batch=(2.3, 2.2),
    notes=("a note",),
    facts=(("seed", "0"),),
)


def snapshot(step: int) -> Snapshot:
    values = (1 / (step + 3), None, math.inf if step == 2 else 0.0)
    return Snapshot(step, (Column("grad_l2", values), Column("dead", (None, None, 0.5))))


def write(folder: Path, steps: int = 5) -> Record:
    metrics = tuple(Scalars(s, loss=2.3 / (s + 1), lr=0.1) for s in range(steps))
    snaps = tuple(snapshot(s) for s in range(0, steps, 2))
    with RunWriter(folder, HEAD, {"seeds": [0, 1]}) as writer:
        writer.layers(LAYERS)
        for m in metrics:
            writer.scalars(m, snapshot(m.step) if m.step % 2 == 0 else None)
    return as_written(
        Record(
            **{
                n: getattr(HEAD, n)
                for n in HEAD.__slots__
                if n not in ("layers", "metrics", "snapshots")
            },
            layers=LAYERS,
            metrics=metrics,
            snapshots=snaps,
        )
    )


def test_a_run_comes_back_as_written(tmp_path: Path) -> None:
    record = write(tmp_path / "deep" / "run")
    assert repr(read_run(tmp_path / "deep" / "run")) == repr(record)  # repr: nan is not nan
    assert read_extra(tmp_path / "deep" / "run") == {"seeds": [0, 1]}
    names = sorted(p.name for p in (tmp_path / "deep" / "run").iterdir())
    assert names == ["events.jsonl", "layers.json", "metrics.jsonl", "run.json"]


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_cut_last_line_is_skipped(tmp_path: Path, cut: int) -> None:
    record = write(tmp_path)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_run(tmp_path).metrics == record.metrics[:-1]


def test_resuming_goes_on_behind_the_last_whole_line(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with RunWriter(tmp_path, HEAD, {}, resume=True) as writer:
        writer.scalars(Scalars(2, loss=9.0))
        writer.scalars(Scalars(3, loss=8.0))
    back = read_run(tmp_path)
    assert [(m.step, m.loss) for m in back.metrics[2:]] == [(2, 9.0), (3, 8.0)]
    assert [s.step for s in back.snapshots] == [0]
    assert back.curvature == 31.4159


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match="already holds a run"):
        RunWriter(tmp_path, HEAD, {})


def test_measurements_are_an_event_and_the_last_one_counts(tmp_path: Path) -> None:
    with RunWriter(tmp_path, Record(), {}) as writer:
        writer.set_head(Record(curvature=1.0))
        writer.set_head(Record(curvature=2.0))
        writer.set_head(Record(curvature=2.0, const_loss=3.0))
        writer.event("finding", {"mechanism": "dead", "at": (1, math.nan)})
    assert read_run(tmp_path).curvature == 2.0
    kinds = [kind for kind, _ in read_events(tmp_path)]
    assert kinds == ["measured", "measured", "finding"]
    assert read_events(tmp_path)[-1][1] == {"mechanism": "dead", "at": [1, "nan"]}


def test_units_are_written_when_they_change(tmp_path: Path) -> None:
    with RunWriter(tmp_path, Record(), {}) as writer:
        for step, dead in enumerate(
            [{"a": (1,)}, {"a": (1,)}, {"a": (1,), "b": (0, 2)}, {"b": (0, 2)}]
        ):
            writer.units(step, dead)
    assert read_units(tmp_path) == [
        (0, {"a": (1,)}),
        (2, {"a": (1,), "b": (0, 2)}),
        (3, {"b": (0, 2)}),
    ]


def test_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_run(tmp_path / "none")
    with pytest.raises(UsageError, match=r"no run\.json"):
        read_run(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        RunWriter(tmp_path / "file", HEAD, {})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("run.json", "{", "cannot be read"),
        ("run.json", "[]", "damaged"),
        ("run.json", '{"format": 99, "record": {}}', "upgrade"),
        ("run.json", '{"format": 1}', "damaged"),
        ("layers.json", '{"format": 1, "layers": [{"path": "a"}]}', "not a stored Layer"),
        ("layers.json", '{"format": 99}', "upgrade"),
        ("metrics.jsonl", 'x\n{"step": 1}\n', "line 1"),
        ("metrics.jsonl", '{"loss": 1}\n', "damaged"),
        ("metrics.jsonl", '{"step": 0, "loss": "many"}\n', "damaged"),
        ("metrics.jsonl", '{"step": 0, "columns": {"dead": ["x"]}}\n', "damaged"),
        ("events.jsonl", "{}\n", "damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    write(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=says) as error:
        read_run(tmp_path)
    assert name in str(error.value)


class FullDisk:
    """A file that takes a few bytes of a line and then fails, as a full disk does."""

    def __init__(self, file: object) -> None:
        self.file, self.closed = file, False

    def write(self, block: bytes) -> int:
        """Ten bytes of it, or nothing more."""
        if len(block) < 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(block[:10])  # type: ignore[attr-defined, no-any-return]

    def truncate(self, size: int) -> None:
        """As the file does."""
        self.file.truncate(size)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Both are closed."""
        self.closed = True
        self.file.close()  # type: ignore[attr-defined]


def test_a_full_disk_is_named_and_leaves_whole_lines(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, HEAD, {})
    writer.scalars(Scalars(0, loss=1.0), snapshot(0))
    log = writer._log("metrics.jsonl")
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    log._file = FullDisk(log._file)  # type: ignore[assignment]
    line = len(store.schema.step_line(Scalars(1, loss=1.0), None)) + 1
    assert line % 10 < 8  # so that part of the line is on the disk when it fails
    writer.scalars(Scalars(1, loss=1.0))
    with pytest.raises(EnvironmentFaultError, match=r"metrics\.jsonl: the disk is full.*readable"):
        writer.flush()
    assert (tmp_path / "metrics.jsonl").read_bytes() == whole
    writer.close()
    assert len(read_run(tmp_path).metrics) == 1


def test_run_json_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RunWriter(tmp_path, Record(const_loss=1.0), {})

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EnvironmentFaultError, match=r"run\.json.*: broken"):
        writer.set_head(Record(const_loss=2.0))
    assert read_run(tmp_path).const_loss == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_scalars_between_samples_wait_at_most_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: now[0])
    writer = RunWriter(tmp_path, Record(), {})
    writer.scalars(Scalars(0))
    assert (tmp_path / "metrics.jsonl").read_text() == ""
    now[0] = store.FLUSH + 0.1
    writer.scalars(Scalars(1))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2
    writer.scalars(Scalars(2), snapshot(2))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3
    writer.close()
    writer.close()


KILLED = """
import sys, time
from pathlib import Path
from undertow.core.record import *
from undertow.record.store import RunWriter
w = RunWriter(Path(sys.argv[1]), Record(const_loss=1.0), {})
w.layers((Layer("a", "Linear", 0),))
for step in range(10**9):
    w.scalars(Scalars(step, loss=1.0), Snapshot(step, (Column("dead", (0.5,) * 500),)))
    if step == 20:
        print("go", flush=True)
"""


def test_kill_leaves_a_readable_run(tmp_path: Path) -> None:
    """Stops the writer at an arbitrary byte, as the kernel does."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(folder)]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=paths) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    record = read_run(folder)
    assert record.last_step >= 20
    assert len(record.snapshots) == len(record.metrics) == record.last_step + 1


def test_the_store_needs_no_torch() -> None:
    code = (
        "import sys, undertow.record.store; print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, env=paths, check=True)
    assert out.stdout.split() == [b"False", b"False"]


def test_reading_many_rows_is_quick(tmp_path: Path) -> None:
    """200,000 layer rows within a second, `spec/performance.md` section 11; a tenth here."""
    line = store.schema.step_line(Scalars(0), Snapshot(0, (Column("a", (1 / 3,) * 40),)))
    form = json.loads(line)
    form["columns"] = dict.fromkeys("abcdef", form["columns"]["a"])
    RunWriter(tmp_path, Record(), {}).close()
    rows = (store.schema.dump({**form, "step": s}) for s in range(500))
    (tmp_path / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    read_run(tmp_path)
