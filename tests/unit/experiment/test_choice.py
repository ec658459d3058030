"""The cheapest of those as good as the best is kept; nothing is where nothing was shown."""

from undertow.core.finding import Remedy
from undertow.core.plan import Edit
from undertow.core.verdict import Trial, Verdict
from undertow.experiment.choice import Shown, chosen
from undertow.remedies import REMEDIES
from undertow.remedies.price import PRICES, price

NORM, RATE, ACT = Edit("norm", "batch"), Edit("lr", 0.01), Edit("act", "relu")


def shown(name: str, edit: Edit, losses: tuple[float, ...], word: str = "repaired") -> Shown:
    """A remedy with the trials of its arm and of a control that lies worse."""
    own = [Trial(name, s, 100, v, v) for s, v in enumerate(losses)]
    control = [Trial("control", s, 100, 1.0, 1.0) for s in range(len(losses))]
    said = Verdict(word, None, None, (0, 1, 2), (*control, *own), why="it trains", remedy=name)
    return Remedy(name, (), (edit,), ""), said


def test_the_cheapest_within_the_interval_of_the_best_is_kept() -> None:
    dear = shown("batch-norm", NORM, (0.10, 0.12, 0.14))  # interval of the mean: .07 to .17
    cheap = shown("lower-lr", RATE, (0.15, 0.16, 0.17))
    kept = chosen([dear, cheap])
    assert kept is not None
    assert kept[0].name == "lower-lr"
    said = "as good as the best and the cheapest of those (batch-norm repairs too)"
    assert kept[1].why == f"it trains; {said}"


def test_a_difference_that_says_nothing_is_none() -> None:
    dear, cheap = shown("batch-norm", NORM, (0.01,) * 3), shown("lower-lr", RATE, (0.05,) * 3)
    kept = chosen([dear, cheap])
    assert kept is not None
    assert kept[0].name == "lower-lr"


def test_a_cheap_one_outside_of_it_is_not() -> None:
    dear = shown("batch-norm", NORM, (0.10, 0.12, 0.14))
    cheap = shown("lower-lr", RATE, (0.5, 0.5, 0.5))
    kept = chosen([dear, cheap])
    assert kept is not None
    assert kept[0].name == "batch-norm"
    assert kept[1].why == "it trains; goes furthest (lower-lr repairs too)"


def test_the_first_tried_of_equal_price() -> None:
    one, two = shown("relu", ACT, (0.2, 0.2, 0.3)), shown("tanh", ACT, (0.2, 0.2, 0.2))
    kept = chosen([one, two])
    assert kept is not None
    assert kept[0].name == "relu"
    same = chosen([two, shown("elu", ACT, (0.2, 0.2, 0.2))])
    assert same is not None
    assert same[0].name == "tanh"


def test_a_repair_comes_before_an_improvement() -> None:
    better = shown("lower-lr", RATE, (0.01, 0.01, 0.01), "improved")
    kept = chosen([better, shown("batch-norm", NORM, (0.5, 0.5, 0.5))])
    assert kept is not None
    assert kept[0].name == "batch-norm"
    assert chosen([better]) == better
    assert chosen([shown("relu", ACT, (0.9, 1.0, 1.0), "not-shown")]) is None
    assert chosen([]) is None


def test_losses_that_are_not_finite_lose() -> None:
    wild = shown("lower-lr", RATE, (0.1, 0.1, float("nan")))
    kept = chosen([wild, shown("batch-norm", NORM, (0.2, 0.2, 0.2))])
    assert kept is not None
    assert kept[0].name == "batch-norm"


def test_every_field_a_remedy_changes_has_a_price() -> None:
    assert {e.field for r in REMEDIES for e in r.change} <= set(PRICES)
    assert price((NORM, RATE)) == PRICES["norm"]
    assert price(()) == 0
