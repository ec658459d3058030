"""The bench: what clears, helps or fails is said so, cut by the budget or refused is not tested."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.finding import Diagnosis, Experiment, Reading
from undertow.core.record import Record
from undertow.diagnosis.engine import diagnose
from undertow.experiment import counterfactual, variants
from undertow.preflight import Case, Deadline, guarded, make_case, measure, tiers

g = torch.Generator().manual_seed(0)
X = torch.randn(48, 6, generator=g)
Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()


def dead() -> nn.Module:
    """Two ReLU layers whose every unit is off for every input."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    for i in (0, 2):
        nn.init.constant_(net[i].bias, -8.0)  # type: ignore[arg-type]
    return net


def looked(seconds: float = 60.0) -> tuple[Case, Record, Diagnosis, tuple[Experiment, ...]]:
    case = make_case(dead(), (X, Y), optimizer=partial(optim.SGD, lr=0.1, momentum=0.9))
    with guarded(0):
        record = measure(case, probe_steps=30, deadline=Deadline(60))
        found = diagnose(record)
        return (
            case,
            record,
            found,
            counterfactual.run(case, record, found, deadline=Deadline(seconds)),
        )


FULL = looked()


def of(factor: str, name: str | None = None) -> Experiment:
    return next(e for e in FULL[3] if e.factor == factor and name in (None, e.variant))


def test_the_factor_at_fault_clears_and_its_rivals_do_not() -> None:
    bias = of("bias")
    assert (bias.outcome, bias.deviates) == ("clears", True)
    assert bias.after.progress is not None
    assert bias.after.progress < 0.9
    assert bias.before.stat == "dead"
    assert bias.before.value == 1.0
    assert bias.after.value is not None
    assert bias.after.value < 0.5
    for rival in ("× 0.1", "× 100", "clip-norm 1"):
        assert of("learning-rate", rival).outcome != "clears"


def test_the_score_is_one_less_the_price() -> None:
    assert of("bias").score == pytest.approx(1 - 0.05)
    for e in FULL[3]:
        if e.outcome in ("no change", "helps"):
            assert e.score <= 0.5 - 0.05 * e.price
    assert of("learning-rate", "adam").price == 2


def test_suspected_factors_come_first() -> None:
    assert FULL[2].causes[0].name == "bias"
    assert FULL[3][0].factor == "bias"


def test_what_a_module_cannot_take_is_not_tested_and_says_why() -> None:
    uneven = of("normalisation")
    assert uneven.outcome != "not tested"
    rows = [e for e in FULL[3] if e.factor == "depth"]
    assert [e.outcome for e in rows] != ["not tested"]


def test_scaled_weights_are_read_without_probe_steps() -> None:
    scaled = [e for e in FULL[3] if e.factor == "scale of hidden weights"]
    assert [e.variant for e in scaled] == ["× 0.02", "× 0.1", "× 0.5", "× 2", "× 5", "× 20"]
    assert all(e.after.progress is None and e.outcome != "clears" for e in scaled)
    assert all(e.after.value is not None for e in scaled)


def test_a_foreign_net_must_clear_from_a_second_start() -> None:
    """Each of its two starts holds the same entries; only where they stand differs."""
    case, record, found, _ = FULL
    bench = counterfactual._Bench(case, record, found, Deadline(60), None)
    again = counterfactual._restarted(case)
    mine, other = case.net.state_dict(), again.net.state_dict()
    assert not torch.equal(mine["0.weight"], other["0.weight"])
    assert torch.equal(
        mine["0.weight"].flatten().sort().values, other["0.weight"].flatten().sort().values
    )
    assert torch.equal(mine["0.bias"], other["0.bias"])
    chosen = next(v for v in variants.singles(record) if v.factor == "bias")
    lucky = Reading("dead", 0.0, 0.1)
    with guarded(0):
        assert bench._again(chosen, lucky) == counterfactual.SEEDS
        unlucky = replace(chosen, change=lambda case, layers: case)  # changes nothing: fails again
        assert bench._again(unlucky, lucky) == 1


def test_no_pairs_where_a_single_change_names_the_cause() -> None:
    assert not [e for e in FULL[3] if " + " in e.factor]


def test_what_the_budget_cut_is_not_tested() -> None:
    _, _, _, cut = looked(0.0)
    assert {e.outcome for e in cut} == {"not tested"}
    assert {e.why for e in cut} == {"budget"}
    assert {" + " in e.factor for e in cut} == {True, False}


def test_experiments_are_a_function_of_the_seed_and_change_nothing() -> None:
    case, record, found, first = FULL
    weights = {k: v.clone() for k, v in case.net.state_dict().items()}
    told: list[str] = []
    with guarded(0):
        again = counterfactual.run(case, record, found, deadline=Deadline(60), progress=told.append)
    assert again == first
    assert all(torch.equal(weights[k], v) for k, v in case.net.state_dict().items())
    assert len(told) == len(first)
    assert told[0] == "bias: 0"


def test_an_error_in_a_changed_net_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    case, record, found, _ = FULL

    def breaks(*args: Any, **given: Any) -> None:
        raise RuntimeError("does not fit")

    monkeypatch.setattr(tiers, "one_batch", breaks)
    with guarded(0):
        cut = counterfactual.run(case, record, found, deadline=Deadline(60))
    assert {e.outcome for e in cut if e.factor != variants.SCALE} == {"not tested"}
    assert "RuntimeError: does not fit" in {e.why for e in cut}
