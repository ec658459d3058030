"""Scales, ticks, lines with gaps, down-sampling."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.report.svg import draw


def test_a_log_scale_is_linear_in_decades() -> None:
    scale = draw.Scale(-4.0, 0.0, 100.0, 0.0, log=True)
    assert [scale.at(v) for v in (1e-4, 1e-2, 1.0)] == [100.0, 50.0, 0.0]
    assert (scale.at(0.0), scale.at(1e9)) == (100.0, 0.0), "held inside the axis"


def test_ticks_are_round_and_few() -> None:
    decades = draw.Scale(-12.3, -1.2, 0.0, 1.0, log=True).ticks()
    assert [label for _, label in decades] == ["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³"]
    assert [label for _, label in draw.Scale(0.0, 2.4, 0.0, 1.0).ticks()] == ["0", "1", "2"]
    whole = draw.Scale(0.0, 2.0, 0.0, 1.0, whole=True).ticks()
    assert [label for _, label in whole] == ["0", "1", "2"]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_on_the_axis(low: float, size: float) -> None:
    scale = draw.Scale(low, low + size, 0.0, 1.0)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 2 * draw.TICKS
    assert all(low - size * 1e-3 <= value <= low + size * 1.01 for value, _ in ticks)


def test_a_flat_line_gets_two_decades() -> None:
    scale = draw.log_scale((1.0, 1.0, None, math.nan, 0.0), 0.0, 1.0)
    assert (scale.low, scale.high) == (-1.0, 1.0)


def test_a_line_breaks_at_what_cannot_be_drawn() -> None:
    values = (1.0, 0.1, None, 0.1, 0.2, math.inf, 0.0, 0.3)
    scale = draw.log_scale(values, 100.0, 0.0)
    series = draw.Series(values, tuple("abcdefgh"), "s1")
    markup = draw.plotted(series, range(8), scale)
    assert markup.count("<polyline") == 2
    assert markup.count("∅") == 1
    assert markup.count("▽") == 1
    assert markup.count("<circle") == 5
    assert "f: inf" in markup
    assert "g: 0" in markup


def test_many_points_keep_only_the_odd_markers() -> None:
    values = (*(1.0,) * 200, math.nan)
    series = draw.Series(values, ("x",) * 201, "s1")
    markup = draw.plotted(series, range(201), draw.log_scale(values, 1.0, 0.0))
    assert "<circle" not in markup
    assert markup.count("∅") == 1


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=300),
    st.integers(4, 60),
)
def test_down_sampling_keeps_extremes_and_oddities(values: list[float], limit: int) -> None:
    points = [(float(i), v) for i, v in enumerate(values)]
    kept = draw.thinned(points, limit)
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        left = [v for _, v in kept if math.isfinite(v)]
        assert min(left) == min(finite)
        assert max(left) == max(finite)
    if len(finite) < len(values):
        assert any(not math.isfinite(v) for _, v in kept)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert len(kept) <= max(limit * 2, 2)


def test_attributes_are_escaped() -> None:
    assert draw.element("g", id='"<&') == '<g id="&quot;&lt;&amp;"/>'
    assert draw.text(1.0, 2.0, "<b>") == '<text x="1" y="2">&lt;b&gt;</text>'


@pytest.mark.parametrize(
    ("value", "words"), [(1.0, "1"), (1.25, "1.2"), (-0.01, "0"), (0.05, "0.1")]
)
def test_lengths_are_short(value: float, words: str) -> None:
    assert draw.unit(value) == words
