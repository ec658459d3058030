"""The first that repairs is kept, or one that costs nothing and is as good; else nothing."""

from undertow.core.finding import Remedy
from undertow.core.plan import Edit
from undertow.core.verdict import Trial, Verdict
from undertow.experiment.choice import Shown, chosen
from undertow.remedies import REMEDIES
from undertow.remedies.price import free

NORM, RATE, ACT = Edit("norm", "batch"), Edit("lr", 0.01), Edit("act", "relu")


def shown(name: str, edit: Edit, losses: tuple[float, ...], word: str = "repaired") -> Shown:
    """A remedy with the trials of its arm and of a control that lies worse."""
    own = [Trial(name, s, 100, v, v) for s, v in enumerate(losses)]
    control = [Trial("control", s, 100, 1.0, 1.0) for s in range(len(losses))]
    said = Verdict(word, None, None, (0, 1, 2), (*control, *own), why="it trains", remedy=name)
    return Remedy(name, (), (edit,), ""), said


def test_what_costs_nothing_and_is_as_good_as_the_best_is_kept() -> None:
    dear = shown("batch-norm", NORM, (0.10, 0.12, 0.14))  # interval of the mean: .07 to .17
    free = shown("lower-lr", RATE, (0.15, 0.16, 0.17))
    kept = chosen([dear, free])
    assert kept is not None
    assert kept[0].name == "lower-lr"
    assert kept[1].why == "it trains, and as good as the best at no cost; batch-norm repairs too"


def test_a_difference_that_says_nothing_is_none() -> None:
    dear, free = shown("batch-norm", NORM, (0.01,) * 3), shown("lower-lr", RATE, (0.05,) * 3)
    kept = chosen([dear, free])
    assert kept is not None
    assert kept[0].name == "lower-lr"


def test_a_free_one_that_goes_less_far_is_not() -> None:
    dear = shown("batch-norm", NORM, (0.10, 0.12, 0.14))
    kept = chosen([dear, shown("lower-lr", RATE, (0.5, 0.5, 0.5))])
    assert kept is not None
    assert kept[0].name == "batch-norm"
    assert kept[1].why == "it trains; lower-lr repairs too"


def test_the_first_in_rank_stays_before_one_that_only_goes_further() -> None:
    first, further = shown("batch-norm", NORM, (0.2, 0.2, 0.3)), shown("relu", ACT, (0.1,) * 3)
    kept = chosen([first, further])
    assert kept is not None
    assert kept[0].name == "batch-norm"


def test_a_repair_comes_before_an_improvement() -> None:
    better = shown("lower-lr", RATE, (0.01, 0.01, 0.01), "improved")
    kept = chosen([better, shown("batch-norm", NORM, (0.5, 0.5, 0.5))])
    assert kept is not None
    assert kept[0].name == "batch-norm"
    assert chosen([better]) == better
    assert chosen([shown("relu", ACT, (0.9, 1.0, 1.0), "not-shown")]) is None
    assert chosen([]) is None


def test_what_costs_nothing_in_use() -> None:
    names = {r.name for r in REMEDIES if r.change and free(r.change)}
    assert {"lower-lr", "raise-lr", "reset-bias", "he-init", "fix-head"} <= names
    assert not {"batch-norm", "relu", "clip-norm", "adam", "skip", "wider", "aux-head"} & names
    assert not free((NORM, RATE))
