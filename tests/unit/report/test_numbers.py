"""Numbers as people read them."""

import math

import pytest

from undertow.report.numbers import counted, number, percent, ratio, share, signed, span

NAMES = [f"conv{i}" for i in range(1, 13)]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (0.0, "0"),
        (0.83, "0.83"),
        (0.0234, "0.023"),
        (9e-6, "9.0e-06"),
        (12.34, "12.3"),
        (2.3026, "2.30"),
        (456.7, "457"),
        (2e9, "2.0e+09"),
    ],
)
def test_number(value: float | None, words: str) -> None:
    assert number(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0 %"), (1.0, "100 %"), (1e-4, "<1 %"), (0.999, ">99 %"), (0.5, "50 %"), (None, "–")],
)
def test_a_share_is_all_or_nothing_only_where_it_is(value: float | None, words: str) -> None:
    assert share(value) == words


def test_ratios_lose_their_leading_zero_and_nothing_else() -> None:
    assert [ratio(v) for v in (0.98, 1.0, 1.2, 0.001, math.inf, 30.0)] == [
        *(".98", "1.00", "1.20", "1.0e-03", "inf", "30.0"),
    ]
    assert percent(0.9421) == "94.2 %"
    assert signed(-0.88) == "-0.88"
    assert signed(0.2) == "+0.20"
    assert signed(1e-4) == "+1.0e-04"


def test_neighbours_are_named_by_their_ends() -> None:
    assert span(("conv3", "conv1", "conv2"), NAMES) == "conv1–conv3"
    assert span(("conv1", "conv2"), NAMES) == "conv1, conv2"
    assert span(("conv1", "conv3", "conv9", "conv12"), NAMES) == "conv1, conv3 and 2 more"
    assert span(("gone",), NAMES) == "gone"


def test_counts_know_their_plural() -> None:
    assert counted(1, "layer") == "1 layer"
    assert counted(0, "layer") == "0 layers"
