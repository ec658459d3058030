"""The watch: it changes nothing, survives everything, and says what it saw."""

import copy
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import optimizer as hooks

from undertow.core.derive import progress
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.record import Record, Scalars
from undertow.diagnosis.engine import diagnose
from undertow.instrument.journal import Journal
from undertow.instrument.probe import Probe
from undertow.instrument.schedule import START
from undertow.instrument.watch import Watch
from undertow.record.store import RunWriter, read_events, read_run

from .loops import BATCH, X, Y, batch, hooks_of, net, sgd, train, watched


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
    assert not hooks._global_optimizer_pre_hooks
    assert not hooks._global_optimizer_post_hooks
    assert torch.overrides._len_torch_function_stack() == 0


def steps_of(record: Record) -> list[int]:
    return [s.step for s in record.snapshots]


@pytest.mark.parametrize("how", ["hooked", "told", "caught", "stored", "found"])
def test_weights_are_bit_identical_to_an_unwatched_run(how: str, tmp_path: Path) -> None:
    def run(watch_it: bool) -> dict[str, Tensor]:
        model, criterion = net(), nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        if not watch_it:
            train(model, optimizer, 40, criterion)
            return model.state_dict()
        options: dict[str, Any] = {"loss": criterion if how == "hooked" else None}
        options["run"] = tmp_path / "run" if how == "stored" else None
        options["optimizer"] = None if how == "found" else optimizer
        with Watch(model, judge=diagnose, **options) as w:
            told = (lambda _, loss, y: w.loss(loss, y)) if how == "told" else lambda *_: None
            train(model, optimizer, 40, criterion, told)
        assert len(w.record.metrics) == 40
        assert len(w.record.snapshots) == 7
        assert hooks_of(model, criterion) == 0
        assert not optimizer._optimizer_step_pre_hooks
        return model.state_dict()

    bare, seen = run(False), run(True)
    assert all(torch.equal(bare[k], seen[k]) for k in bare)


def test_the_record_is_what_the_folder_holds(tmp_path: Path) -> None:
    watch = watched(120, run=tmp_path / "run")
    record = watch.record
    assert record == read_run(tmp_path / "run")
    assert tuple(steps_of(record)) == START
    assert [m.step for m in record.metrics] == list(range(120))
    assert record.optimizer.name == "sgd"
    assert record.optimizer.momentum == 0.9
    assert record.loss == "cross-entropy"
    assert record.first_loss == record.metrics[0].loss
    assert record.notes == ()
    assert [y.path for y in record.layers] == ["0", "1", "3", "7"]
    assert all(m.lr == 0.02 for m in record.metrics)


def test_losses_norms_and_updates_are_the_true_ones() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    seen: list[tuple[float, float, float]] = []
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        torch.manual_seed(2)
        for step in range(3):
            x, y = batch(step)
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01).item()
            old = model[0].weight.detach().clone()
            optimizer.step()
            moved = ((model[0].weight.detach() - old).norm() / old.norm()).item()
            seen.append((loss.item(), norm, moved))
    record = w.record
    for m, snap, (loss_, norm, moved) in zip(record.metrics, record.snapshots, seen, strict=True):
        assert m.loss == pytest.approx(loss_, rel=1e-5)
        assert m.grad_norm == pytest.approx(norm, rel=1e-5)  # of before the clip
        assert snap.column("update_ratio")[0] == pytest.approx(moved, rel=1e-4)


def test_before_step_100_it_is_watching() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model, lr=0.0)
    reports = {}
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        said = lambda step, *_: reports.update({step: w.report()})  # noqa: E731
        train(model, optimizer, 130, criterion, said)
    assert reports[50].watching
    assert not reports[120].watching
    assert not reports[120].healthy  # a rate of 0 learns nothing


def test_constant_loss_and_progress() -> None:
    record = watched(120).record
    _, counts = Y.unique(return_counts=True)
    p = counts.double() / len(Y)
    assert record.const_loss == pytest.approx(float(-(p * p.log()).sum()), rel=1e-5)
    found = progress(record, 119)
    assert found is not None
    assert found < 0.9


# Where losses come from


@pytest.mark.parametrize("criterion", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_told_loss_belongs_to_its_step(criterion: bool, when: str) -> None:
    model, loss_fn = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    told = []
    options: dict[str, Any] = {"loss": loss_fn if criterion else None}
    with Watch(model, optimizer=optimizer, judge=diagnose, **options) as w:
        for step in range(6):
            x, y = batch(step)
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            told.append(loss.item())
            if when == "before":
                w.loss(loss, y)
            optimizer.step()
            if when == "after":
                w.loss(loss.detach(), y)
            assert len(w.record.metrics) == step + 1
    assert [m.loss for m in w.record.metrics] == pytest.approx(told, rel=1e-5)
    assert w.record.const_loss is not None


def test_a_last_loss_without_a_step_is_kept() -> None:
    """A loop that stops at the first loss that is not finite tells it and takes no step."""
    model = net()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, judge=diagnose) as w:
        train(model, optimizer, 3, nn.CrossEntropyLoss(), lambda _, loss, y: w.loss(loss, y))
        w.loss(torch.tensor(math.nan), Y[:BATCH])
    steps = [(m.step, m.loss is not None and math.isfinite(m.loss)) for m in w.record.metrics]
    assert steps == [(0, True), (1, True), (2, True), (3, False)]


def test_without_a_source_losses_are_caught_on_sampled_steps() -> None:
    record = watched(12, loss=None).record
    assert [m.step for m in record.metrics if m.loss is not None] == [0, 1, 2, 4, 8]
    assert record.const_loss is not None
    assert not record.notes


def test_modes_of_the_user_survive_the_catching_of_losses() -> None:
    """`with torch.device` takes off the topmost mode as it is left: ours may not be there."""
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, judge=diagnose) as w:
        for _ in range(3):
            with torch.device("meta"):
                train(model, optimizer, 1, criterion)  # ends with the next step being sampled
                assert torch.zeros(1).device.type == "meta"
            assert torch.zeros(1).device.type == "cpu"
        torch.set_default_device("meta")
        train(model, optimizer, 2, criterion)
        torch.set_default_device(None)
        train(model, optimizer, 2, criterion)
    assert [m.loss is not None for m in w.record.metrics] == [True] * 3 + [
        False,
        True,
        False,
        False,
    ]
    assert torch.zeros(1).device.type == "cpu"
    with torch.device("meta"), Watch(model, optimizer=optimizer, judge=diagnose):
        train(model, optimizer, 1, criterion)


def test_validation_is_not_training() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)

    def validate(*_: object) -> None:
        model.eval()
        with torch.no_grad():
            criterion(model(X * 100), Y)
        model.train()

    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        train(model, optimizer, 6, criterion, validate)
    with torch.random.fork_rng():
        alone = watched(6).record
    assert w.record.metrics == alone.metrics
    assert w.record.snapshots == alone.snapshots


# Steps


def test_gradient_accumulation_is_one_step() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    losses = []
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for step in range(3):
            optimizer.zero_grad()
            for part in range(4):
                x, y = batch(4 * step + part)
                loss = criterion(model(x), y)
                (loss / 4).backward()
                losses.append(loss.item())
            optimizer.step()
    means = [sum(losses[i : i + 4]) / 4 for i in (0, 4, 8)]
    assert [m.loss for m in w.record.metrics] == pytest.approx(means, rel=1e-5)
    assert steps_of(w.record) == [0, 1, 2]
    assert len(w.record.layers) == 4


@pytest.mark.parametrize("given", [True, False])
def test_two_optimisers_make_one_step(given: bool) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    body = torch.optim.SGD(model[:5].parameters(), lr=0.1)
    head = torch.optim.Adam(model[5:].parameters(), lr=0.1)
    with Watch(
        model, optimizer=[body, head] if given else None, loss=criterion, judge=diagnose
    ) as w:
        for step in range(5):
            x, y = batch(step)
            model.zero_grad()
            criterion(model(x), y).backward()
            body.step()
            head.step()
    record = w.record
    assert len(record.metrics) == 5
    assert steps_of(record) == [0, 1, 2, 4]
    for snap in record.snapshots if given else record.snapshots[1:]:
        assert all(u for u in snap.column("update_ratio")), snap.step


def test_optimisers_of_other_nets_do_not_count() -> None:
    model, other = net(), nn.Linear(2, 2)
    optimizer, elsewhere = sgd(model), sgd(other)
    with Watch(model, loss=nn.CrossEntropyLoss(), judge=diagnose) as w:
        train(model, optimizer, 3, nn.CrossEntropyLoss(), lambda *_: elsewhere.step())
    assert len(w.record.metrics) == 3


def test_one_optimiser_may_step_more_often() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    often = torch.optim.SGD(model[:5].parameters(), lr=0.01)
    seldom = torch.optim.SGD(model[5:].parameters(), lr=0.01)
    with Watch(model, optimizer=(often, seldom), loss=criterion, judge=diagnose) as w:
        for step in range(12):
            x, y = batch(step)
            model.zero_grad()
            criterion(model(x), y).backward()
            often.step()
            if step % 3 == 2:
                seldom.step()
    record = w.record
    assert [m.step for m in record.metrics] == list(range(12))
    assert 0 in steps_of(record)
    assert all(snap.column("act_rms") for snap in record.snapshots)


def test_passes_inside_a_closure() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for step in range(3):
            x, y = batch(step)

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                optimizer.zero_grad()
                loss: Tensor = criterion(model(x), y)
                loss.backward()
                return loss

            optimizer.step(closure)  # type: ignore[arg-type]
    assert steps_of(w.record) == [0, 1, 2]
    assert all(u for s in w.record.snapshots for u in s.column("update_ratio"))
    assert all(g for s in w.record.snapshots for g in s.column("grad_l2") if g is not None)


# Findings


def test_a_non_finite_loss_is_told_at_once(tmp_path: Path) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    found: list[tuple[int, Any]] = []
    steps: list[int] = []

    def spoil(step: int, *_: object) -> None:
        steps.append(step)
        if step == 10:
            with torch.no_grad():
                model[3].bias[0] = math.inf

    with Watch(
        model,
        optimizer=optimizer,
        loss=criterion,
        judge=diagnose,
        run=tmp_path / "run",
        on_finding=lambda report: found.append((len(steps), report)),
    ) as w:
        train(model, optimizer, 16, criterion, spoil)
    assert [step for step, _ in found] == [11]
    assert found[0][1].symptoms[0].name == "non-finite"
    record = w.record
    assert 12 in steps_of(record)  # sampled at once
    origin = dict(record.facts)["origin"]
    assert origin.split()[1] == "forward"
    events = read_events(tmp_path / "run")
    assert events[0][0] == "finding"
    assert events[0][1]["symptoms"] == ["non-finite"]
    assert repr(record) == repr(read_run(tmp_path / "run"))  # repr: nan is not nan


def test_a_jump_of_the_loss_is_looked_at() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)

    def jump(step: int, *_: object) -> None:
        if step == 40:
            with torch.no_grad():
                model[7].weight.mul_(300.0)

    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        train(model, optimizer, 50, criterion, jump)
    assert steps_of(w.record) == [0, 1, 2, 4, 8, 16, 32, 42]


def test_findings_come_at_steps_100_200_400_and_once() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model, lr=0.0)
    found: list[int] = []
    steps: list[int] = []
    with Watch(
        model,
        optimizer=optimizer,
        loss=criterion,
        judge=diagnose,
        every=50,
        on_finding=lambda _: found.append(len(steps)),
    ):
        train(model, optimizer, 210, criterion, lambda step, *_: steps.append(step))
    assert found
    assert found[0] == 100
    assert set(found) <= {100, 200}


# Exits and faults


class Stop(Exception):  # noqa: N818
    """The user's own."""


def test_an_exception_of_the_user_passes_and_the_run_is_readable(tmp_path: Path) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)

    def stop(step: int, *_: object) -> None:
        if step == 4:
            raise Stop

    with (
        pytest.raises(Stop),
        Watch(
            model, optimizer=optimizer, loss=criterion, judge=diagnose, run=tmp_path / "run"
        ) as w,
    ):
        train(model, optimizer, 10, criterion, stop)
    assert hooks_of(model, criterion) == 0
    assert len(read_run(tmp_path / "run").metrics) == 5
    assert w.record == read_run(tmp_path / "run")


def test_an_exception_in_forward_leaves_no_mode_behind() -> None:
    model = net()
    with pytest.raises(RuntimeError), Watch(model, judge=diagnose):
        model(torch.zeros(2, 9))
    assert hooks_of(model) == 0


def test_on_finding_may_end_the_training() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with torch.no_grad():
        model[0].weight[0] = math.nan

    def stop(_: object) -> None:
        raise Stop

    with (
        pytest.raises(Stop),
        Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose, on_finding=stop),
    ):
        train(model, optimizer, 5, criterion)
    assert hooks_of(model, criterion) == 0


@pytest.mark.parametrize("part", ["read", "attach", "before_update"])
def test_a_fault_of_ours_never_ends_the_training(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(Probe, part, fail)
    record = watched(6).record
    assert any("ValueError: broken" in note for note in record.notes)


def test_a_judge_that_fails_is_a_note() -> None:
    def judge(_: Record) -> None:
        raise KeyError("rule")

    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(
        model, optimizer=optimizer, loss=criterion, judge=judge, on_finding=lambda _: None
    ) as w:
        train(model, optimizer, 102, criterion)
    record = w.record
    assert any("KeyError" in note for note in record.notes)
    assert len(record.metrics) == 102


def test_a_full_disk_ends_the_writing_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    write = RunWriter.scalars

    def scalars(self: RunWriter, *given: Any) -> None:
        calls.append(given)
        if len(calls) > 4:
            raise EnvironmentFaultError("cannot write metrics.jsonl: the disk is full")
        write(self, *given)

    monkeypatch.setattr(RunWriter, "scalars", scalars)
    watch = watched(10, run=tmp_path / "run")
    assert len(watch.record.metrics) == 10
    assert "no longer stored: cannot write metrics.jsonl" in watch.record.notes[0]
    assert len(calls) == 5
    assert len(read_run(tmp_path / "run").metrics) == 4


def test_a_folder_that_holds_a_run_is_refused_before_anything_starts(tmp_path: Path) -> None:
    watched(2, run=tmp_path / "run")
    model = net()
    watch = Watch(model, judge=diagnose, run=tmp_path / "run")
    with pytest.raises(UsageError, match="already holds a run"):
        watch.__enter__()
    assert hooks_of(model) == 0


# Uses


def test_nested_twice_and_again(tmp_path: Path) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    one = Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose, run=tmp_path / "run")
    two = Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose)
    with one, two, one:
        train(model, optimizer, 5, criterion)
    assert one.record.snapshots == two.record.snapshots
    with one:
        train(model, optimizer, 3, criterion)
    assert [m.step for m in one.record.metrics] == list(range(8))
    assert read_run(tmp_path / "run") == one.record
    assert hooks_of(model, criterion) == 0


def test_copies_and_pickles_made_while_it_watches_are_free() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        average = copy.deepcopy(model)  # as for a moving average of the weights
        thawed = pickle.loads(pickle.dumps((model, criterion)))
        average(X)
        thawed[1](thawed[0](X), Y)
        train(model, optimizer, 2, criterion)
    with torch.random.fork_rng():
        assert w.record.metrics == watched(2).record.metrics
    copy.deepcopy(model)(X)
    pickle.dumps(model)
    copy.deepcopy(optimizer)


@pytest.mark.parametrize("frozen", ["first layer", "all"])
def test_frozen_parameters(frozen: str) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    (model[0] if frozen == "first layer" else model).requires_grad_(False)
    head = nn.Parameter(torch.zeros(4))
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for step in range(3):
            x, y = batch(step)
            optimizer.zero_grad()
            criterion(model(x) + head, y).backward()
            optimizer.step()
    snap = w.record.snapshots[0]
    assert snap.column("act_rms")[0] is not None
    assert not snap.column("wgrad_l2") or snap.column("wgrad_l2")[0] is None
    assert not snap.column("update_ratio") or snap.column("update_ratio")[0] is None
    assert not w.notes


def test_a_net_without_parameters_and_a_loop_without_steps() -> None:
    model = nn.ReLU()
    with Watch(model, judge=diagnose, loss=nn.MSELoss()) as w:
        model(torch.ones(2))
    assert w.record.metrics == ()
    assert w.report().mechanism == "healthy"


def test_a_batch_of_one() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    optimizer, criterion = sgd(model), nn.CrossEntropyLoss()
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for _ in range(3):
            optimizer.zero_grad()
            criterion(model(torch.ones(1, 4)), torch.tensor([1])).backward()
            optimizer.step()
    assert not w.record.snapshots[0].column("spread")
    assert w.record.const_loss == 0.0


@pytest.mark.parametrize(
    ("options", "says"),
    [({"budget": 0.0}, "budget"), ({"budget": 2.0}, "budget"), ({"every": 0}, "every")],
)
def test_wrong_options_are_told(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Watch(net(), judge=diagnose, **options)
    with pytest.raises(UsageError, match="give the torch"):
        Watch("net", judge=diagnose)  # type: ignore[arg-type]


def test_what_is_known_beforehand_is_kept(tmp_path: Path) -> None:
    head = Record(kind="run", source="mine", const_loss=1.25, facts=(("data", "digits"),))
    watch = watched(2, head=head, run=tmp_path / "run")
    watch.event("note", {"a": 1})  # after the end: nothing to write to
    assert watch.record.source == "mine"
    assert watch.record.const_loss == 1.25
    assert read_run(tmp_path / "run").facts == (("data", "digits"),)


def test_memory_only_keeps_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watched(2)
    assert list(tmp_path.iterdir()) == []
    assert not Journal(None, print).stored


# What is shown


class Shown:
    """Keeps what a live display is told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, float | None]] = []
        self.found: list[Any] = []
        self.closed = 0

    def step(self, scalars: Scalars, const_loss: float | None) -> None:
        """A step."""
        self.steps.append((scalars.step, const_loss))

    def judged(self, found: Any) -> None:
        """A judgement."""
        self.found.append(found)

    def close(self) -> None:
        """The end."""
        self.closed += 1


def test_a_display_is_told_every_step_and_every_judgement() -> None:
    model, criterion, shown = net(), nn.CrossEntropyLoss(), Shown()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose, live=shown):
        train(model, optimizer, 101, criterion)
    assert [s for s, _ in shown.steps] == list(range(101))
    assert shown.steps[-1][1] == pytest.approx(math.log(4), rel=0.05)
    assert len(shown.found) == 1
    assert shown.closed == 1


def test_a_display_that_fails_is_a_note() -> None:
    class Broken(Shown):
        def step(self, scalars: Scalars, const_loss: float | None) -> None:
            """A step that cannot be shown."""
            raise OSError("the terminal is gone")

    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose, live=Broken()) as w:
        train(model, optimizer, 3, criterion)
    assert len(w.record.metrics) == 3
    assert any("the terminal is gone" in note for note in w.record.notes)


def test_a_gradient_that_grows_tenfold_is_looked_at_again() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model, lr=0.0)

    def grow(step: int, *_: object) -> None:
        if step == 31:
            with torch.no_grad():
                model[7].weight.mul_(40.0)

    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        train(model, optimizer, 36, criterion, grow)
    assert steps_of(w.record)[-2:] == [32, 33]


def test_told_validation_losses_are_kept_and_stored(tmp_path: Path) -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(
        model, optimizer=optimizer, loss=criterion, judge=diagnose, run=tmp_path / "run"
    ) as w:
        train(model, optimizer, 3, criterion)
        w.validation(torch.tensor(1.5))
        train(model, optimizer, 2, criterion)
        w.validation(1.25)
    assert [(h.step, h.loss) for h in w.record.held] == [(3, 1.5), (5, 1.25)]
    assert read_run(tmp_path / "run").held == w.record.held


def test_a_net_that_learns_by_heart_is_called_overfit() -> None:
    """Labels drawn at random: what is learned of them is worth nothing on others."""
    torch.manual_seed(0)
    model, criterion = (
        nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 4)),
        torch.nn.CrossEntropyLoss(),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x, y = torch.randn(32, 8), torch.randint(0, 4, (32,))
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for _ in range(6):
            for _ in range(25):
                optimizer.zero_grad()
                criterion(model(x[:16]), y[:16]).backward()
                optimizer.step()
            with torch.no_grad():
                w.validation(nn.functional.cross_entropy(model(x[16:]), y[16:]))
    assert [s.name for s in w.report().symptoms] == ["overfit"]


# Bad input


def test_steps_without_a_backward_pass_are_a_finding() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for _ in range(5):
            criterion(model(X), Y)
            optimizer.step()
    (symptom,) = w.report().symptoms
    assert symptom.id == "UT106"
    assert "nothing went backwards" in symptom.says


def test_a_batch_that_is_not_finite_is_told_as_such() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    optimizer = sgd(model)
    with Watch(model, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        optimizer.zero_grad()
        criterion(model(X * math.nan), Y).backward()
        optimizer.step()
    (symptom,) = w.report().symptoms
    assert symptom.says == "the batch of step 0 holds NaN or Inf before the first layer"


def test_a_loop_that_never_steps_is_told() -> None:
    model = net()
    with Watch(model, judge=diagnose) as w:
        model(X)
    assert any("stepped" in note for note in w.report().notes)


def test_a_loop_that_goes_back_and_never_steps_is_told() -> None:
    model, criterion = net(), nn.CrossEntropyLoss()
    with Watch(model, optimizer=sgd(model), loss=criterion, judge=diagnose) as w:
        for _ in range(3):
            criterion(model(X), Y).backward()
    assert any("stepped" in note for note in w.report().notes)


def test_a_net_on_meta_is_refused() -> None:
    with torch.device("meta"):
        model = nn.Linear(2, 2)
    with pytest.raises(UsageError, match="meta"):
        Watch(model, judge=diagnose)


def test_a_loop_that_tells_nothing_is_judged_by_its_loss_function() -> None:
    """No criterion, no `w.loss`: value and labels are seen where `backward` begins."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
    x = torch.randn(64, 8)
    y = x[:, :4].argmax(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with Watch(model, optimizer=optimizer, judge=diagnose) as w:
        for _ in range(110):
            optimizer.zero_grad()
            (nn.functional.cross_entropy(model(x), y) / 4).backward()
            optimizer.step()
    record = w.record
    assert record.const_loss == pytest.approx(math.log(4), rel=0.05)
    assert record.first_loss == pytest.approx(math.log(4), rel=0.2)  # the function's own value
    assert not w.report().symptoms
