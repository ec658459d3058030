"""Frozen is frozen, unfrozen trains also after a resume, rates are a function of plan and step."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.core.record import Scalars
from undertow.core.run import Evaluation
from undertow.data.arrays import Arrays
from undertow.diagnosis.engine import diagnose
from undertow.instrument.watch import Watch
from undertow.nn.optimizer import from_choices
from undertow.nn.parts import by_children
from undertow.preflight import guarded
from undertow.record.store import read_events
from undertow.train.fit import Job, fit
from undertow.train.transfer import Freezing, by_part, freezing, schedule, wanted

State = dict[str, Tensor]
PLAIN = TrainChoices(lr=0.1, batch=8, epochs=4, momentum=0.9, l2=0.01)
STEPS = 5  # of an epoch: 40 samples in eights


class Net(nn.Module):
    """Three stages with batch norms and dropout, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = (self._stage(a, b) for a, b in ((6, 8), (8, 8), (8, 8)))
        self.head = nn.Linear(8, 3)

    def _stage(self, c_in: int, c_out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(c_in, c_out), nn.BatchNorm1d(c_out), nn.ReLU(), nn.Dropout(0.2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        out: Tensor = self.head(self.two(self.one(self.stem(x))))
        return out


def make(folder: Path, choices: TrainChoices) -> Job:
    with guarded(0):
        net, x, y = Net(), torch.randn(50, 6), torch.randint(3, (50,))
    data = Arrays("n", x, y, 3, False)
    plan = freezing(choices, net, by_children(net, x[:2])) if wanted(choices) else None
    params = (
        net.parameters() if plan is None else by_part(plan, net, lr=choices.lr or 0, bare=False)
    )
    return Job(
        net,
        from_choices(choices, params),
        data.take(torch.arange(40)),
        data.take(torch.arange(40, 50)),
        choices,
        nn.functional.cross_entropy,
        folder,
        freezing=plan,
    )


def watched(job: Job, start: int | None = None) -> Watch:
    return Watch(
        job.net, optimizer=job.optimizer, loss=job.loss_fn, run=job.folder, judge=diagnose,
        told=True, start=start,
    )  # fmt: skip


def state(job: Job) -> State:
    return {k: v.detach().clone() for k, v in job.net.state_dict().items()}


def changed(before: State, after: State) -> set[str]:
    return {k.partition(".")[0] for k, v in after.items() if not torch.equal(v, before[k])}


def plan_of(**given: object) -> Freezing:
    net = Net()
    return freezing(replace(PLAIN, **given), net, by_children(net, torch.randn(2, 6)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_frozen_is_frozen_whatever_train_is_called(tmp_path: Path, kind: str) -> None:
    choices = replace(PLAIN, optimizer=kind, lr=0.05, freeze="one", ema=0.9, l1=0.01)
    job = make(tmp_path, choices)
    before, x = state(job), torch.randn(4, 6)
    outs: list[Tensor] = []

    def rouse(scalars: Scalars, found: Evaluation | None) -> None:
        if scalars.step % 2 == 0:
            job.net.train()
            outs.append(job.net.one(job.net.stem(x)).detach())  # type: ignore[operator]

    fit(job, None, rouse)
    after = state(job)
    assert len(outs) == 10
    assert all(torch.equal(out, outs[0]) for out in outs)
    assert changed(before, after) == {"two", "head"}
    assert not torch.equal(before["two.1.running_mean"], after["two.1.running_mean"])
    assert int(after["one.1.num_batches_tracked"]) == 0
    assert int(after["two.1.num_batches_tracked"]) == 4 * STEPS
    frozen = [p for g in job.optimizer.param_groups if g["begins"] is None for p in g["params"]]
    assert frozen and not any(p in job.optimizer.state for p in frozen)  # noqa: PT018


def test_norms_train_only_where_that_is_asked(tmp_path: Path) -> None:
    job = make(tmp_path, replace(PLAIN, freeze="one", train_norm=True))
    before = state(job)
    fit(job, None)
    after = state(job)
    moved = {k for k in after if not torch.equal(before[k], after[k]) and k.startswith("one")}
    assert moved == {f"one.1.{n}" for n in ("weight", "bias", "running_mean", "running_var",
                                            "num_batches_tracked")}  # fmt: skip


def test_unfreezing_happens_at_its_epoch_and_not_before(tmp_path: Path) -> None:
    job = make(tmp_path, replace(PLAIN, freeze="body", unfreeze="1:two,3:stem"))
    seen: list[State] = [state(job)]
    fit(job, None, lambda s, e: seen.append(state(job)) if e else None)
    moved = [changed(a, b) for a, b in pairwise(seen)]
    assert moved == [{"head"}, {"two", "head"}, {"two", "head"}, {"stem", "one", "two", "head"}]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_resume_goes_on_with_what_is_unfrozen(tmp_path: Path, cut: int) -> None:
    """Unfrozen after an epoch; cut before, behind and well behind that moment."""
    choices = replace(PLAIN, freeze="body", unfreeze="2:all", warm_up=3, ema=0.9, layer_decay=0.5)
    whole = make(tmp_path / "whole", choices)
    first = make(tmp_path / "cut", replace(choices, epochs=cut))
    again = replace(make(tmp_path / "cut", choices), resume=True)
    for job, start in ((whole, None), (first, None), (again, cut * STEPS)):
        with guarded(0):
            fit(job, watched(job, start))
    at = state(first)
    assert changed(at, state(again)) == {"stem", "one", "two", "head"}
    for key, value in state(whole).items():
        assert torch.equal(value, state(again)[key]), key


def test_rates_fall_by_stage_after_unfreezing_and_warm_up_as_a_part_begins(tmp_path: Path) -> None:
    choices = replace(
        PLAIN, freeze="body", unfreeze="1:two,2:all", layer_decay=0.5, unfrozen_lr=0.4, warm_up=2
    )
    job = make(tmp_path, choices)
    seen: list[dict[str, float]] = []

    def keep(scalars: Scalars, found: Evaluation | None) -> None:
        seen.append({g["part"]: g["lr"] for g in job.optimizer.param_groups})

    fit(job, None, keep)
    head = [row["head"] for row in seen]
    assert head[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert head[STEPS] == pytest.approx(0.04)
    two = [row["two"] for row in seen[STEPS:]]
    assert two[:3] == pytest.approx([0.01, 0.02, 0.02])
    stem = [row["stem"] for row in seen[2 * STEPS :]]
    assert stem[:3] == pytest.approx([0.0025, 0.005, 0.005])  # .1 x .4 x .5^3, first half of it
    assert [g["part"] for g in job.optimizer.param_groups] == ["head", "two", "one", "stem"]


def test_a_slice_gives_equal_ratios_and_bare_weights_no_decay() -> None:
    net = Net()
    found = freezing(
        replace(PLAIN, layer_lr=(1e-4, 1e-1)), net, by_children(net, torch.zeros(2, 6))
    )
    groups = by_part(found, net, lr=0.1, bare=True)
    rates = {g["part"]: g["lr"] for g in groups}
    assert list(rates.values()) == pytest.approx([1e-1, 1e-2, 1e-3, 1e-4])
    assert {len(p.shape) for g in groups if g.get("weight_decay") == 0 for p in g["params"]} == {1}
    assert sum(len(g["params"]) for g in groups) == len(list(net.parameters()))


def test_the_schedule_is_told_before_training_and_kept(tmp_path: Path) -> None:
    found = plan_of(freeze="body", unfreeze="1:two,9:all", unfrozen_lr=0.5, layer_decay=0.1)
    assert schedule(found, 0.1, 4) == (
        "from the start: lr of head 0.1; frozen: stem, one, two",
        "after 1 epoch: lr of head 0.05, two 0.005; frozen: stem, one",
        "after 9 epochs: not reached, training ends after 4 epochs",
    )
    choices = replace(
        PLAIN, freeze="body", unfreeze="1:two,9:all", unfrozen_lr=0.5, layer_decay=0.1
    )
    job = make(tmp_path, choices)
    fit(job, watched(job))
    (told,) = [data for kind, data in read_events(tmp_path) if kind == "schedule"]
    assert tuple(told["lines"]) == schedule(found, 0.1, 4)
    assert schedule(plan_of(freeze="one.0,two.1.bias"), 0.1, 1) == (
        "from the start: lr of head 0.1, two (3 of 4 tensors) 0.1, one (2 of 4 tensors) 0.1,"
        " stem 0.1",
    )


def test_one_stage_an_epoch_from_the_head_down() -> None:
    found = plan_of(freeze="body", unfreeze="one-stage-per-epoch")
    on = [{n.partition(".")[0] for n in found.training(e)} for e in range(4)]
    assert on == [{"head"}, {"head", "two"}, {"head", "two", "one"}, {"head", "two", "one", "stem"}]
    assert found.changes == (1, 2, 3)
    assert not found.still(3)


@pytest.mark.parametrize("word", ["stem", "stem.*", "stem,"])
def test_a_stage_and_patterns_of_it_freeze_the_same(word: str) -> None:
    found = plan_of(freeze=word)
    assert {n.partition(".")[0] for n in found.training(9)} == {"one", "two", "head"}
    norm = {"stem.1"}
    assert norm <= found.still(0) <= {f"stem.{i}" for i in range(4)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"freeze": "stme"}, "freeze='stme' is no stage and matches no path .did you mean stem"),
        ({"freeze": "one.9*"}, "'one.9.' is no stage and matches no path"),
        ({"freeze": "body", "unfreeze": "1:too"}, "unfreeze='too' .* .did you mean two"),
        ({"freeze": "body", "unfreeze": "two"}, "unclear at 'two'; give epochs from 1"),
        ({"freeze": "body", "unfreeze": "0:two"}, "give epochs from 1"),
        ({"freeze": "none", "unfreeze": "1:two"}, "needs something frozen"),
        ({"freeze": "*"}, "leaves nothing to train"),
        ({"freeze": "head"}, "leaves nothing to train"),
        ({"layer_decay": 0.0}, "layer_decay=0.0 is no decay"),
        ({"layer_lr": (1.0, 0.1)}, "give .lowest, highest."),
        ({"layer_lr": (0.1, 1.0), "layer_decay": 0.5}, "exclude each other"),
        ({"unfrozen_lr": 0.0}, "stops training"),
        ({"freeze": "body", "lr": 0.0}, "lr=0.0 does not train the head"),
    ],
)
def test_words_that_freeze_nothing_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        plan_of(**given)


def test_code_that_writes_to_what_is_frozen_is_told(tmp_path: Path) -> None:
    job = make(tmp_path, replace(PLAIN, freeze="body", epochs=1))
    assert not _frozen(fit(job, None).notes)

    def write(module: nn.Module, *_: object) -> None:
        module.running_mean.add_(1)  # type: ignore[operator, union-attr]

    job = make(tmp_path / "again", replace(PLAIN, freeze="body", epochs=1))
    job.net.get_submodule("one.1").register_forward_hook(write)
    (note,) = _frozen(fit(job, None).notes)
    assert note.startswith("one.1.running_mean changed though frozen")


def _frozen(notes: tuple[str, ...]) -> list[str]:
    """Those on frozen weights; whether data were waited for depends on what else a machine does."""
    return [note for note in notes if "frozen" in note]
