"""The loop of repair: proven or rolled back, the same wherever its trials run."""

import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

import pytest
import torch
from torch import nn, optim

import undertow as ut
from undertow.api.repair import Fix
from undertow.core.errors import UsageError
from undertow.core.finding import Remedy
from undertow.core.plan import TrainChoices
from undertow.core.verdict import Verdict
from undertow.data import load
from undertow.experiment import repair as engine
from undertow.experiment.effect import Arms
from undertow.experiment.executor import one_thread
from undertow.experiment.pair import Source
from undertow.experiment.trials import Trials, told_if_few
from undertow.preflight import Deadline
from undertow.remedies.rank import BY_NAME, pair

DATA = load("synthetic:1x4x4:3").take(torch.arange(240))
SGD = partial(optim.SGD, lr=0.05, momentum=0.9)


def healthy(seed: int) -> nn.Module:
    """A small net that learns."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 3)
    )


def dead(seed: int) -> nn.Module:
    """The same with every unit off at birth."""
    net: Any = healthy(seed)
    for i in (1, 3):
        nn.init.constant_(net[i].bias, -4.0)
    return net  # type: ignore[no-any-return]


def repaired(build: Any = dead, executor: Any = None, **given: Any) -> Fix:
    options: dict[str, Any] = {"optimizer": SGD, "steps": 60, "seeds": 3, "budget_s": 60}
    pool = executor or ThreadPoolExecutor(1)
    n = given.pop("few", len(DATA.x))
    with pool:
        return ut.repair(build, (DATA.x[:n], DATA.y[:n]), executor=pool, **{**options, **given})


@cache
def fixed() -> Fix:
    return repaired()


def timeless(verdict: Verdict) -> Verdict:
    """The verdict without what a clock says."""
    trials = tuple(replace(t, seconds=0.0) for t in verdict.trials)
    effects = tuple(e for e in verdict.side_effects if not e.startswith("time"))
    return replace(verdict, trials=trials, side_effects=effects)


def test_dead_units_are_repaired_by_their_biases_and_proven() -> None:
    fix = fixed()
    assert (fix.verdict.word, fix.verdict.remedy) == ("repaired", "reset-bias")
    assert fix.verdict.effect is not None
    assert fix.verdict.effect.high < -0.5
    assert fix.verdict.decoy is not None
    assert fix.verdict.decoy.high < 0
    assert fix.verdict.seeds == (0, 1, 2)
    assert [t.arm for t in fix.verdict.trials][::3] == ["control", "reset-bias", "decoy: clip-norm"]
    assert {t.symptoms for t in fix.verdict.trials if t.arm == "reset-bias"} == {()}


def seldom(seed: int) -> nn.Module:
    """Dead at birth with two seeds of three."""
    return healthy(seed) if seed % 3 == 1 else dead(seed)


def test_seeds_are_added_where_the_unrepaired_net_trains_with_some() -> None:
    fix = repaired(seldom)
    assert (fix.verdict.word, fix.verdict.remedy) == ("repaired", "reset-bias")
    assert {t.seed for t in fix.verdict.trials} == set(range(8))
    assert "added after a first look" in fix.verdict.why


def test_rivals_are_trained_beside_the_first_that_repairs_where_time_is_left() -> None:
    words = [v.word for v in fixed().tried]
    assert words[0] == "repaired"
    assert 1 < len(words) <= 1 + engine.RIVALS
    assert fixed().verdict.remedy == "reset-bias"
    assert "repair" in fixed().verdict.why.partition(";")[2]


def test_only_a_repair_confirms_its_cause() -> None:
    standing = {c.name: c.standing for c in fixed().report.causes}
    assert standing["bias"] == "confirmed"
    assert fixed().report.verdict == fixed().verdict
    checked = ut.check(dead(0), (DATA.x[:64], DATA.y[:64]), optimizer=SGD)
    assert "confirmed" not in {c.standing for c in checked.causes}


def test_the_diff_says_what_to_change() -> None:
    assert "nn.init.zeros_(layer.bias)" in fixed().diff()


def test_the_live_net_is_the_repaired_one_of_the_first_seed() -> None:
    fix = fixed()
    out = fix.model.eval()(DATA.x)
    assert float((out.argmax(1) == DATA.y).float().mean()) > 0.9
    assert isinstance(fix.optimizer, optim.SGD)
    held = {id(p) for g in fix.optimizer.param_groups for p in g["params"]}
    assert held == {id(p) for p in fix.model.parameters()}
    assert fix.model is fix.model


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_verdict_is_the_same_on_any_number_of_workers(workers: int) -> None:
    context = get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork beside threads
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread)
        fix = repaired(executor=pool)
    assert timeless(fix.verdict) == timeless(fixed().verdict)


def test_too_few_seeds_show_nothing_and_all_is_rolled_back() -> None:
    fix = repaired(seeds=2)
    assert fix.verdict.word == "not-shown"
    assert "only 2 of at least 3" in fix.verdict.why
    assert (fix.kept, fix.diff()) == (None, "")
    assert "confirmed" not in {c.standing for c in fix.report.causes}
    assert fix.source is not None
    assert fix.source.build is dead
    net: Any = fix.model
    assert float(net[1].bias.detach().max()) < -3.5  # the control, as the user built it
    assert 1 <= len(fix.tried) <= 8


def test_without_time_nothing_is_kept() -> None:
    fix = repaired(budget_s=0.0)
    assert (fix.verdict.word, fix.kept, fix.diff()) == ("not-shown", None, "")
    assert any("not tested (budget)" in note for note in fix.report.diagnosis.notes)


def test_a_healthy_net_is_left_alone() -> None:
    fix = repaired(healthy)
    assert fix.report.healthy
    assert (fix.verdict.word, fix.remedies, fix.tried) == ("not-shown", (), ())
    assert fix.verdict.why.startswith("nothing to repair: healthy before training, and it trains")
    assert [t.arm for t in fix.verdict.trials] == ["control"] * 3
    assert isinstance(fix.model, nn.Module)


def test_seeds_that_make_equal_nets_are_told() -> None:
    def seeded() -> nn.Module:
        torch.manual_seed(5)
        return dead(0)

    fix = repaired(seeded, steps=20)
    assert any("two seeds give equal weights" in line for line in fix.skipped)
    with ThreadPoolExecutor(1) as pool:
        said = ut.prove(dead, seeded, (DATA.x, DATA.y), steps=5, executor=pool)
    assert said.why.endswith("b: two seeds give equal weights: only the batches differ")
    assert "a: two" not in said.why


def equal(seed: int) -> nn.Module:
    """Every unit of a layer starts as the others: the layer learns as one unit."""
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
    for p in net.parameters():
        nn.init.constant_(p, 0.1 if p.ndim > 1 else 0.0)
    return net


def test_units_that_never_part_are_no_health_though_the_loss_falls() -> None:
    t, y = torch.rand(300, generator=torch.Generator().manual_seed(5)), torch.arange(300) % 3
    angle = y * 2.1 + 4 * t  # three arms of a spiral
    x = torch.stack([t * angle.cos(), t * angle.sin()], 1) * 2
    with ThreadPoolExecutor(1) as pool:
        fix = ut.repair(
            equal, (x, y), optimizer=partial(optim.Adam, lr=1e-2), steps=120, executor=pool
        )
    assert {s.name for s in fix.report.symptoms} == {"symmetric-weights"}
    assert (fix.verdict.word, fix.verdict.remedy) == ("repaired", "xavier-init")
    assert all(t.train is not None and t.train < 0.9 for t in fix.verdict.trials[:3])


def test_bad_arguments_are_told_in_words() -> None:
    with pytest.raises(UsageError, match="not a scalar"):
        ut.repair(dead, (DATA.x, DATA.y), step=lambda net, batch: net(batch[0]))
    with pytest.raises(UsageError, match=r"validation=2\.0 is no share"):
        ut.repair(dead, (DATA.x, DATA.y), validation=2.0)
    with pytest.raises(UsageError, match="data must be"):
        ut.repair(dead, 3)
    nan = DATA.x.clone()
    nan[7] = torch.nan
    with pytest.raises(UsageError, match="sample 7 holds NaN"):
        ut.repair(dead, (nan, DATA.y))


def asleep(seed: int) -> nn.Module:
    """Sound in seed 0, every unit off at birth in all others: the first look sees nothing."""
    return healthy(seed) if seed == 0 else dead(seed)


def test_a_net_that_fails_in_other_seeds_than_the_first_is_seen() -> None:
    fix = repaired(asleep)
    assert fix.report.mechanism == "dead"
    assert {t.train < 0.9 for t in fix.verdict.trials if t.arm == "reset-bias"} == {True}


def named(net: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """A step on batches that are dicts."""
    return nn.functional.cross_entropy(net(batch["image"]), batch["label"])


def test_batches_of_any_structure_are_repaired_through_the_users_own_step() -> None:
    cuts = [slice(i, i + 40) for i in range(0, 240, 40)]
    data = [{"image": DATA.x[c], "label": DATA.y[c]} for c in cuts]
    with ThreadPoolExecutor(1) as pool:
        fix = ut.repair(dead, data, step=named, optimizer=SGD, steps=60, budget_s=60, executor=pool)
    assert (fix.verdict.word, fix.verdict.remedy) == ("repaired", "reset-bias")


def own_loss(net: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """A loss whose best constant answer nobody can see from outside."""
    scores = net(batch["image"])
    right = scores.gather(1, batch["label"][:, None])
    return (scores.exp().sum(1, keepdim=True).log() - right).mean()


def test_a_loss_without_a_known_constant_answer_is_improved_at_most() -> None:
    data = {"image": DATA.x, "label": DATA.y}
    with ThreadPoolExecutor(1) as pool:
        options: Any = {"step": own_loss, "optimizer": SGD, "budget_s": 60, "executor": pool}
        fix = ut.repair(dead, data, steps=60, **options)
        said = ut.prove(dead, healthy, data, steps=60, **options)
    assert fix.verdict.word in ("improved", "not-shown")
    assert (said.word, "cannot be known" in said.why) == ("improved", True)


def test_a_budget_too_small_for_three_seeds_says_what_it_could_do() -> None:
    fix = repaired(steps=2_000_000, budget_s=20)
    assert fix.verdict.word == "not-shown"
    assert "3 arms of 3 seeds, which take about" in fix.verdict.why
    assert "more, or about" in fix.verdict.why


def squashed(seed: int) -> nn.Module:
    """A softmax over one unit."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 1), nn.Softmax(1)
    )


def test_a_softmax_over_one_unit_is_given_an_output_a_class() -> None:
    fix = repaired(squashed)
    assert (fix.verdict.word, fix.verdict.remedy) == ("repaired", "fix-head")
    assert fix.model(DATA.x[:2]).shape == (2, 3)


def test_a_pair_that_learns_the_batch_comes_before_singles_that_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passes = {"batch-norm", "he-init + lower-lr"}
    trained: list[str] = []

    def filtered(tries: Any, remedy: Remedy) -> str | None:
        return None if remedy.name in passes else "pre-flight still finds exploding"

    def train(tries: Any, remedy: Remedy) -> bool:
        trained.append(remedy.name)
        tries.tried.append((remedy, None))
        return remedy.name == "lower-lr"

    monkeypatch.setattr(engine._Tries, "_filtered", filtered)
    monkeypatch.setattr(engine._Tries, "_train", train)
    trials = Trials(DATA, None, 1, (0, 1, 2), Deadline(60))
    tries = engine._Tries(Source(None, TrainChoices()), trials, Arms((), ()), ("decoy", ()))
    both = pair(BY_NAME["he-init"], BY_NAME["lower-lr"])
    tries.all(
        [BY_NAME[w] for w in ("he-init", "batch-norm", "clip-norm")], [both, BY_NAME["lower-lr"]]
    )
    assert trained == ["batch-norm", "he-init + lower-lr", "he-init", "clip-norm", "lower-lr"]
    assert tries.skipped == []


def test_too_few_samples_are_told_how_many_it_takes() -> None:
    few = Trials(DATA.take(torch.arange(8)), DATA.take(torch.arange(2)), 5, (0,), Deadline(60))
    said = Verdict("not-shown", None, None, (0,), (), why="the interval includes 0")
    told = told_if_few(said, few).why
    assert told.startswith("the interval includes 0. Only 2 of 10 samples are held back")
    assert "give about 50 samples, or 10 or more of your own as validation" in told
    assert told_if_few(replace(said, word="repaired"), few).why == said.why
    enough = replace(few, held=DATA.take(torch.arange(10)))
    assert told_if_few(said, enough) is said
    assert told_if_few(said, replace(few, held=None)) is said
    fix = repaired(steps=5, budget_s=20, few=5)
    assert fix.verdict.word == "not-shown"
    assert "Only 1 of 5 samples are held back" in fix.report.verdict.why  # type: ignore[union-attr]
