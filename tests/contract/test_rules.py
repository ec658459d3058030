"""What every rule must have: its id, its word, a page with its limits, a source, both cases."""

import importlib
import pkgutil
import re

import pytest

import undertow.diagnosis.causes
import undertow.diagnosis.symptoms
from tests.cases.golden import HEALTHY, SICK
from tests.cases.records import (
    RAW,
    TOO_FAST,
    check,
    falling,
    layers,
    run,
    static,
)
from undertow.core.finding import Evidence, Symptom
from undertow.core.record import Held, Record
from undertow.core.rule import Rule
from undertow.core.words import CAUSES as CAUSE_WORDS
from undertow.core.words import SYMPTOMS as SYMPTOM_IDS
from undertow.diagnosis import CAUSES, SYMPTOMS
from undertow.diagnosis.engine import diagnose
from undertow.diagnosis.pages import page

HEADINGS = (
    "What", "Why it is bad", "Evidence shown", "Limits", "Causes", "Remedies",
    "Safety of the change", "Source",
)  # fmt: skip
GAP = Symptom("UT206", "eval-gap", (), 0, (Evidence("eval_gap", "", 0, 0.2, 0.05),), "gap")
SWINGS = [6.0 + (-1) ** i for i in range(100)]
BROKEN = [2.0 * 0.97**i for i in range(60)] + [900.0] + [3.0] * 60
HELD = tuple(Held(s, loss) for s, loss in ((25, 1.5), (50, 1.6), (75, 1.8), (100, 2.0)))
FIRES: dict[str, Record] = {
    "UT101": check(grad_l2=falling(0.5)),
    "UT102": check(grad_l2=falling(2.0)),
    "UT103": check(spread=0.01),
    "UT104": check(dead=0.95),
    "UT105": check(saturated=0.95),
    "UT106": check(wgrad_l2=0.0),
    "UT107": check(update_ratio=0.0),
    "UT108": check(first_loss=float("nan")),
    "UT109": check(),
    "UT110": run(SWINGS, update_ratio=0.05),
    "UT111": run([2.0 * 0.97**i for i in range(100)], held=HELD),
    "UT201": check(static=(static("head-mismatch"),)),
    "UT202": check(static=(static("loss-mismatch"),)),
    "UT203": check(static=(static("label-error"),)),
    "UT204": check(input=RAW),
    "UT205": check(static=(static("symmetric-weights", gated=True),)),
    "UT206": check(static=(GAP,)),
}
EXPLAINED: dict[str, Record] = {
    "output-head": FIRES["UT201"],
    "loss": FIRES["UT202"],
    "labels": FIRES["UT203"],
    "batch": run(BROKEN),
    "bias": check(dead=1.0, layers=layers(bias=-3.0)),
    "input-scale": check(input=RAW),
    "initialisation": check(grad_l2=falling(0.1), layers=layers(w2=0.01)),
    "learning-rate": check(line=TOO_FAST),
    "activation": check(grad_l2=falling(0.3), layers=layers(act="sigmoid")),
    "depth": check(grad_l2=falling(0.5), layers=layers(act="tanh", w2=0.5)),
    "normalisation": check(grad_l2=falling(0.5)),
}


def rules_in(package: object) -> set[str]:
    """The ids of all rules defined in the modules of a package."""
    path, prefix = package.__path__, f"{package.__name__}."  # type: ignore[attr-defined]
    found = [importlib.import_module(m.name) for m in pkgutil.iter_modules(path, prefix)]
    return {v.id for m in found for v in vars(m).values() if isinstance(v, Rule)}


def test_every_rule_in_the_folder_is_in_the_list() -> None:
    assert rules_in(undertow.diagnosis.symptoms) == {r.id for r in SYMPTOMS}
    assert rules_in(undertow.diagnosis.causes) == {r.id for r in CAUSES}


def test_every_word_has_its_rule() -> None:
    assert {r.name: r.id for r in SYMPTOMS} == SYMPTOM_IDS
    assert {r.name for r in CAUSES} == set(CAUSE_WORDS)
    assert all(r.id == r.name for r in CAUSES)


@pytest.mark.parametrize("rule", [*SYMPTOMS, *CAUSES], ids=lambda r: r.id)
def test_every_rule_is_documented(rule: Rule[object]) -> None:
    assert rule.title
    assert rule.source
    assert rule.function.__doc__


@pytest.mark.parametrize("rule", SYMPTOMS, ids=lambda r: r.id)
def test_every_symptom_has_its_page(rule: Rule[Symptom]) -> None:
    text = page(rule.id)
    assert text.startswith(f"# {rule.id} {rule.name}: ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == list(HEADINGS)


def limits(rule: Rule[Symptom]) -> dict[str, float]:
    """The named limits of a rule's module: upper-case numbers."""
    module = importlib.import_module(rule.function.__module__)
    return {k: v for k, v in vars(module).items() if k.isupper() and isinstance(v, int | float)}


SAID = {  # limits a page writes otherwise
    ("UT102", "STEEP"): ".176",
    ("UT103", "START"): ".0173",
    ("UT104", "ALL"): "whole layer",
}


@pytest.mark.parametrize("id", ["UT101", "UT102", "UT103", "UT104", "UT105", "UT204"])
def test_the_page_states_every_limit_of_the_rule(id: str) -> None:
    (rule,) = [r for r in SYMPTOMS if r.id == id]
    text = page(id)
    for name, value in limits(rule).items():
        said = SAID.get((id, name), f"{value:g}".removeprefix("0"))
        assert said in text, f"{id}: {name} = {value} is not on its page"


@pytest.mark.parametrize("rule", SYMPTOMS, ids=lambda r: r.id)
def test_every_symptom_fires_on_its_case_and_says_so(rule: Rule[Symptom]) -> None:
    (found,) = rule.run(FIRES[rule.id])
    assert (found.id, found.name) == (rule.id, rule.name)
    assert found.says
    assert found.evidence
    assert all(e.stat for e in found.evidence)


@pytest.mark.parametrize("rule", SYMPTOMS, ids=lambda r: r.id)
def test_every_symptom_is_silent_on_every_healthy_case(rule: Rule[Symptom]) -> None:
    for case, record in HEALTHY.items():
        assert all(s.note for s in rule.run(record)), case
    assert not rule.run(Record(kind="check"))
    assert not rule.run(Record())


@pytest.mark.parametrize("rule", CAUSES, ids=lambda r: r.id)
def test_every_cause_explains_its_case_and_answers_symptoms(rule: Rule[object]) -> None:
    found = {c.name: c for c in diagnose(EXPLAINED[rule.id]).causes}
    assert found[rule.id].because
    assert found[rule.id].standing == "suspected"
    assert rule.answers <= set(SYMPTOM_IDS)


@pytest.mark.parametrize("rule", CAUSES, ids=lambda r: r.id)
def test_no_cause_speaks_without_a_symptom(rule: Rule[object]) -> None:
    for record in (*EXPLAINED.values(), *(r for _, r in SICK.values() if not r.experiments)):
        assert not rule.run(record, ())
