"""Studies asked of a user's own network: which, what they find, and what they refuse."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from undertow.api.study import study, survey
from undertow.api.subject import subject
from undertow.core.errors import UsageError
from undertow.studies import NAMES, engine
from undertow.studies.own import ELSEWHERE, FORMS, choose, form
from undertow.studies.result import Result, stored
from undertow.studies.study import Cell
from undertow.studies.verdict import OPEN

from .nets import asked, relus, sigmoids

TWO = range(2)


def verdicts(result: Result) -> dict[str, str]:
    return {c.id: c.verdict for c in result.claims}


def mean(result: Result, arm: str, stat: str) -> float:
    number = result.arm(arm).number(stat)
    assert number is not None
    return number.mean


def test_every_study_has_a_form_or_a_reason() -> None:
    assert set(FORMS) | set(ELSEWHERE) == set(NAMES)
    assert not set(FORMS) & set(ELSEWHERE)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_whole(name: str) -> None:
    one = FORMS[name]
    labels = [arm.label for arm in one.vary]
    stats = {s.name for s in one.statistics}
    assert one.question.endswith("?")
    assert one.says
    assert one.margins
    for claim in one.claims:
        assert claim.says
        for e in claim.expect:
            assert e.a in labels
            assert not isinstance(e.b, str) or e.b in labels
            assert (e.stat or one.statistics[0].name) in stats
    assert set(one.learns) <= set(labels)
    assert not one.learns or "loss" in stats


def test_the_gradient_of_a_sigmoid_chain_is_that_of_plain_torch() -> None:
    given = asked("sigmoids")
    torch.manual_seed(3)
    net = sigmoids()
    x, y = given.batch(3)
    outs = []
    for layer in net:  # type: ignore[attr-defined]
        x = layer(x)
        if isinstance(layer, nn.Sigmoid):
            x.retain_grad()
            outs.append(x)
    nn.functional.cross_entropy(x, y).backward()
    first, last = (float(o.grad.norm()) for o in (outs[0], outs[-1]))
    cell = FORMS["vanishing"].study(given).cell(FORMS["vanishing"].vary[0], 3)
    found = FORMS["vanishing"].ask(given, cell)["decades"]
    assert found == pytest.approx(torch.tensor(last / first).log10().item(), rel=1e-3)


def test_verdicts_on_a_net_that_vanishes() -> None:
    result = study("vanishing", on=f"{sigmoids.__module__}:sigmoids")
    assert verdicts(result) == {"G1": "supported", "F7": "supported", "F12": "refuted"}
    assert {c.id: c.foreseen for c in result.claims}["G1"] == "supported"
    assert result.on.endswith(":sigmoids")
    assert f"--on {result.on} --data digits" in result.command
    assert "the book, of its own networks" in result.to_text()


def test_larger_weights_and_other_inits_act_as_theory_says() -> None:
    given = asked("unbiased")
    grown = FORMS["exploding"].run(given, TWO, engine.Way())
    twice = mean(grown, "weights x 2", "grown") - mean(grown, "as built", "grown")
    assert twice == pytest.approx(2 * 0.30103, abs=1e-4)  # two further layers, each x 2
    norms = FORMS["batchnorm"].run(given, TWO, engine.Way())
    alike = mean(norms, "batch norm", "decades") - mean(norms, "batch norm, weights x 3", "decades")
    assert abs(alike) < 0.05


def test_a_live_module_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    net = relus()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    result = study("dying-relu", on=net, seeds=1)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert result.command == 'ut.study("dying-relu", on=net, data=data, seeds=1)'
    assert mean(result, "its rate x 100", "dead") > 0.5
    assert mean(result, "as built", "accuracy") > 0.7


def test_calibration_is_that_of_sklearn_bins() -> None:
    from undertow.studies.own.asked import _calibration

    given = asked("relus")
    net = relus().eval()
    held = given.parts[1]
    with torch.no_grad():
        p, guess = net(held.x[:]).softmax(1).max(1)
    right = (guess == held.y).numpy()
    bins = torch.bucketize(p, torch.linspace(0, 1, 11)).numpy()
    gaps = [
        abs(right[bins == b].mean() - p.numpy()[bins == b].mean()) * (bins == b).mean()
        for b in set(bins.tolist())
    ]
    assert _calibration(net, held) == pytest.approx(sum(gaps), abs=1e-5)


def test_what_does_not_learn_gives_no_verdict() -> None:
    given = asked("sigmoids")
    result = FORMS["calibration"].run(given, range(5), engine.Way())
    assert set(verdicts(result).values()) == {OPEN}
    assert "hardly learns" in result.claims[0].instead


def test_a_net_too_small_says_what_is_needed() -> None:
    with pytest.raises(UsageError, match=r"needs 3 layers .* has 0"):
        form("vanishing", asked("tiny"))
    with pytest.raises(UsageError, match="undertow summary MODEL"):
        form("anatomy", asked("tiny"))
    with pytest.raises(UsageError, match="did you mean init"):
        form("initt", asked("tiny"))
    forms, left = choose(asked("tiny"), 5, 30.0)
    assert [f.id for f in forms] == ["learning-rate", "input-scale", "calibration"]
    assert {one.study for one in left} | {f.id for f in forms} == set(NAMES)


def test_what_takes_too_long_is_left_out_with_its_time() -> None:
    _, left = choose(asked("relus"), 5, 1e-6)
    assert "would take about" in {one.study: one.why for one in left}["learning-rate"]


def test_data_that_do_not_fit_are_told() -> None:
    with pytest.raises(UsageError, match="does not run on inputs of 3x8x8"):
        subject(f"{sigmoids.__module__}:sigmoids", "synthetic:3x8x8:10")
    with pytest.raises(UsageError, match="holds no run"):
        subject(str(Path(__file__).parent))
    with pytest.raises(UsageError, match="is for a network of yours"):
        study("vanishing", data="digits")


def test_finished_cells_of_a_net_are_kept_until_it_changes(tmp_path: Path) -> None:
    seen: list[str] = []
    first = study("init", on=relus(), seeds=1, folder=tmp_path, done=seen.append)
    net = relus()
    study("init", on=net, seeds=1, folder=tmp_path, done=seen.append)
    half = len(seen)
    study("init", on=net, seeds=1, folder=tmp_path, done=seen.append)
    assert half == 2 * len(first.arms)  # drawn anew: other weights, other cells
    assert len(seen) == half


def test_a_subject_can_be_sent_to_workers() -> None:
    given = asked("relus")
    one = FORMS["init"].study(given)
    task = engine.Task(one, one.cell(one.vary[0], 0))
    again = pickle.loads(pickle.dumps(task))
    assert engine.work(again).values == engine.work(task).values


def test_a_survey_says_what_was_not_asked() -> None:
    found = survey(f"{sigmoids.__module__}:sigmoids", seeds=1, budget_s=1e-6)
    asked_of = {r.study for r in found.results}
    assert {"vanishing", "init", "saturation"} <= asked_of
    text = found.to_text(width=80)
    assert "dying-relu" in text
    assert max(map(len, text.splitlines())) <= 80


def test_what_a_cell_measures_survives_the_store() -> None:
    given = asked("relus")
    cell = FORMS["sparsity"].study(given).cell(FORMS["sparsity"].vary[0], 0)
    assert isinstance(cell, Cell)
    values = FORMS["sparsity"].ask(given, cell)
    assert 0.3 < float(values["zeros"]) < 0.7  # type: ignore[arg-type]
    assert stored()["sparsity"].claims[0].id == "F18"
