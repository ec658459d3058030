"""What every remedy must do: a word, a known cause, edits of a plan that change only themselves."""

import importlib
import pkgutil
from dataclasses import fields

import pytest

import undertow.remedies
from undertow.core.finding import Remedy
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import CAUSES, MECHANISMS
from undertow.core.words import REMEDIES as WORDS
from undertow.remedies import REMEDIES
from undertow.remedies.rank import DECOYS, NEVER, ORDER

OF_MODULES = {"fix-head"}  # a plan's net always puts out logits: only a user's own needs it
PLAN = Plan("mlp", sizes=(("depth", 20), ("width", 32)))
COLUMNS = {  # how often a single change made failing nets train: works of tried
    ("batch-norm", "vanishing"): (52, 57),
    ("reset-bias", "dead"): (18, 18),
    ("lower-lr", "lr-high"): (32, 33),
    ("raise-lr", "lr-low"): (27, 27),
    ("standardise-input", "input-scale"): (16, 16),
    ("clip-norm", "vanishing"): (0, 53),
    ("he-init", "exploding"): (13, 15),
}


def values(plan: Plan) -> dict[str, object]:
    """All fields of a plan that an edit can set."""
    out: dict[str, object] = dict(plan.sizes)
    for part, kind in ((plan.choices, Choices), (plan.train, TrainChoices)):
        out |= {f.name: getattr(part, f.name) for f in fields(kind)}
    return out


def test_every_word_has_its_remedy() -> None:
    assert {r.name for r in REMEDIES} == set(WORDS)
    assert len({r.name for r in REMEDIES}) == len(REMEDIES)


def test_every_remedy_in_the_folder_is_in_the_list() -> None:
    found = pkgutil.iter_modules(undertow.remedies.__path__, "undertow.remedies.")
    modules = [importlib.import_module(m.name) for m in found]
    made = {v.name for m in modules for v in vars(m).values() if isinstance(v, Remedy)}
    assert made == {r.name for r in REMEDIES}


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda r: r.name)
def test_it_answers_known_causes_and_says_its_cost(remedy: Remedy) -> None:
    assert remedy.answers
    assert set(remedy.answers) <= set(CAUSES)
    assert remedy.cost
    assert remedy.change


@pytest.mark.parametrize(
    "remedy", [r for r in REMEDIES if r.name not in OF_MODULES], ids=lambda r: r.name
)
def test_it_is_idempotent_and_leaves_other_fields_alone(remedy: Remedy) -> None:
    once = PLAN.edit(remedy.change)
    assert once.edit(remedy.change) == once
    before, after = values(PLAN), values(once)
    touched = {e.field for e in remedy.change}
    assert {k: v for k, v in before.items() if k not in touched} == {
        k: v for k, v in after.items() if k not in touched
    }
    assert all(once.get(e.field) == e.value for e in remedy.change)


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda r: r.name)
def test_rates_are_counts_of_known_mechanisms(remedy: Remedy) -> None:
    assert all(r.mechanism in MECHANISMS and 0 <= r.worked <= r.tried for r in remedy.expected)
    assert len({r.mechanism for r in remedy.expected}) == len(remedy.expected)


@pytest.mark.parametrize(("cell", "counts"), COLUMNS.items(), ids=str)
def test_rates_are_those_measured(cell: tuple[str, str], counts: tuple[int, int]) -> None:
    (remedy,) = [r for r in REMEDIES if r.name == cell[0]]
    (rate,) = [r for r in remedy.expected if r.mechanism == cell[1]]
    assert (rate.worked, rate.tried) == counts


def test_the_tables_use_known_words_and_do_not_contradict_each_other() -> None:
    known = {r.name for r in REMEDIES}
    for mechanism in MECHANISMS:
        order = ORDER[mechanism]
        singles = {w for entry in order for w in entry.split(" + ")} - {"init"}
        assert singles <= known
        assert not {w for w in order if " + " not in w} & set(NEVER.get(mechanism, ()))
    for word, decoys in DECOYS.items():
        assert set(decoys) <= known
        assert not set(decoys) & set(ORDER[word])
