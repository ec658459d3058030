"""The static figure of a result, by matplotlib where that extra is installed."""

import math
import re
import textwrap
from io import StringIO
from pathlib import Path
from typing import Any

from undertow.core.errors import EnvironmentFaultError
from undertow.studies.result import Result

WIDTH, ROW = 7.2, 0.32  # inches: 183 mm, and a line of the chart
HEAD, PROFILE = 1.5, 3.6  # inches of title and axis, of the profiles
LINE = 92  # characters over the whole width
POINTS = 20  # of a profile, at most
MOST = 10  # profiles that can be told apart
PROFILES = {  # in the order of choice: what the second chart shows, and over what
    "gradient": ("gradient at the output, L2 norm", "hidden layer, input first"),
    "curve": ("training loss", "step"),
}
MAPS = {"pareto": ("time", "top1")}  # what lies along and what up, where arms trade two numbers
FINE = re.compile(r"(?<![\w.])-?\d+\.\d{2,}(?=[ \",)\n])")  # a coordinate
STEADY: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "undertow",
}  # text as text; equal ids every time


def save(result: Result, path: Path) -> None:
    """Write the charts: of the first statistic every seed a dot and the mean a bar; profiles.

    Where arms trade one statistic against another (`MAPS`) each is a point of the two.

    The same result gives the same file.

    Raises:
        EnvironmentFaultError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EnvironmentFaultError(
            "a figure needs matplotlib: pip install 'undertow[plot]'"
        ) from error
    drawn, traded = _profiles(result), MAPS.get(result.study)
    bars = ROW * len(result.arms)
    parts = [bars + HEAD / 2, *([PROFILE] if drawn or traded else [])]
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STEADY):
        made = Figure(figsize=(WIDTH, sum(parts) + HEAD / 2), layout="constrained")
        made.suptitle(textwrap.fill(result.question, LINE), fontsize=10, x=0.01, ha="left")
        axes = made.subplots(len(parts), 1, height_ratios=parts, squeeze=False)[:, 0]
        _bars(axes[0], result)
        if traded:
            _map(axes[1], result, *traded)
        elif drawn:
            _lines(axes[1], result, drawn)
        if path.suffix == ".svg":
            path.write_text(_svg(made), encoding="utf-8")
        else:
            made.savefig(path)


def _svg(made: Any) -> str:
    """The figure as SVG to a tenth of a point, without a date."""
    written = StringIO()
    made.savefig(written, format="svg", metadata={"Date": None})
    lines = (line.strip() for line in written.getvalue().splitlines())
    return FINE.sub(lambda n: f"{float(n[0]):.1f}", "\n".join(lines)) + "\n"


def _bars(axes: Any, result: Result) -> None:
    stat = result.statistics[0]
    labels = [a.arm for a in result.arms]
    for row, arm in enumerate(result.arms):
        number = arm.number(stat.name)
        if number is None:
            continue
        axes.barh(row, number.mean, color="#9ecae1", height=0.7)
        axes.plot(number.values, [row] * len(number.values), "o", color="#08306b", markersize=3)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    if result.exact:
        axes.set_xscale("symlog")  # counts of unlike size
    elif stat.log:
        axes.set_xscale("log")
    axes.set_xlabel(textwrap.fill(f"{stat.name}: {stat.words}", LINE // 2), fontsize=8)
    axes.tick_params(axis="x", labelsize=8)


def _profiles(result: Result) -> str:
    """The profile that every arm has and that says most; "" where there is none to draw."""
    held = [{n for n, v in a.profiles if len(v) > 2} for a in result.arms]
    found = [n for n in PROFILES if held and all(n in names for names in held)]
    return found[0] if found and len(result.arms) <= MOST else ""


def _lines(axes: Any, result: Result, name: str) -> None:
    from matplotlib import colormaps

    colors = colormaps["viridis"]
    steep = any(v > 0 for a in result.arms for v in dict(a.profiles)[name])
    shades = max(len(result.arms) - 1, 1)
    for at, arm in enumerate(result.arms):
        whole = dict(arm.profiles)[name]
        thin = whole[:: math.ceil(len(whole) / POINTS)]
        values = [math.nan if steep and v <= 0 else v for v in thin]  # underflow
        depth = [i / (len(values) - 1) for i in range(len(values))]
        axes.plot(depth, values, color=colors(0.9 * at / shades), label=arm.arm, linewidth=1.2)
    axes.set_yscale("log" if steep else "linear")
    axes.minorticks_off()
    what, over = PROFILES[name]
    axes.set_ylabel(what, fontsize=8)
    axes.set_xticks([0, 1], ["first", "last"], fontsize=8)
    ends = steep and any(v <= 0 for a in result.arms for v in dict(a.profiles)[name])
    note = "; a line ends where float32 underflows" if ends else ""
    axes.set_xlabel(f"{over} (seed {result.seeds[0]}{note})", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


def _map(axes: Any, result: Result, along: str, up: str) -> None:
    """Every arm a point of two statistics; a line joins those that no other beats in both."""
    words = {s.name: s.words for s in result.statistics}
    pairs = [(a.arm, a.number(along), a.number(up)) for a in result.arms]
    points = [(arm, x.mean, y.mean) for arm, x, y in pairs if x is not None and y is not None]
    best = sorted((x, y) for _, x, y in points if not any(_beats(p, (x, y)) for p in points))
    axes.plot(*zip(*best, strict=True), color="#9ecae1", linewidth=1.2, zorder=0)
    for arm, x, y in points:
        axes.plot([x], [y], "o", color="#08306b", markersize=4)
        axes.annotate(arm, (x, y), (4, -10), textcoords="offset points", fontsize=8)
    axes.margins(x=0.12, y=0.12)
    for named, name in ((axes.set_xlabel, along), (axes.set_ylabel, up)):
        named(textwrap.fill(f"{name}: {words[name]}", LINE // 2), fontsize=8)
    axes.tick_params(labelsize=8)


def _beats(point: tuple[str, float, float], other: tuple[float, float]) -> bool:
    """Whether a point lies no further along and higher up."""
    return point[1] <= other[0] and point[2] > other[1]
