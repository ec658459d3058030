"""Strips and graphs for the terminal: steps where there are steps, flat where there are none."""

import math

import pytest

from undertow.studies.strips import graph, strip


def test_a_rise_over_decades_climbs() -> None:
    top, _, bottom = strip("g", [1e-6, 1e-3, 1.0])
    assert top.endswith("█")
    assert top[-3:-1] == "  "
    assert bottom[-3:] == "▁██"
    assert [line.split("┤")[0].split()[-1] for line in (top, bottom)] == ["1e+00", "1e-06"]


def test_nearly_equal_values_are_flat() -> None:
    top, middle, bottom = strip("f", [1.00, 1.01, 0.99])
    assert top.rstrip().endswith("┤")
    assert middle.rstrip().endswith("┤")
    assert len(set(bottom[-3:])) == 1


@pytest.mark.parametrize("value", [None, math.nan, math.inf, 0.0])
def test_what_has_no_logarithm_is_empty(value: float | None) -> None:
    assert strip("f", [1.0, value, 100.0])[-1][-2] == " "
    assert "not measured" in strip("f", [value])[0]


def test_ascii() -> None:
    assert all(line.isascii() for line in strip("f", [1e-3, 1.0], ascii_only=True))


def test_a_graph_has_its_ends() -> None:
    lines = graph([-1.0, 0.0, 1.0], [0.0, 1.0, 4.0])
    assert lines[0].startswith("  4.00 |  ●")
    assert lines[-2].startswith("  0.00 |●")
