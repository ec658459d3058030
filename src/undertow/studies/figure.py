"""The static figure of a result, by matplotlib where that extra is installed."""

from pathlib import Path
from typing import Any

from undertow.core.errors import EnvironmentFaultError
from undertow.studies.result import Result

WIDTH, ROW = 7.2, 0.32  # inches: 183 mm, and a line of the chart


def save(result: Result, path: Path) -> None:
    """Write the chart of the first statistic: every seed a dot, the mean a bar.

    Raises:
        EnvironmentFaultError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EnvironmentFaultError(
            "a figure needs matplotlib: pip install 'undertow[plot]'"
        ) from error
    made = Figure(figsize=(WIDTH, 1.4 + ROW * len(result.arms)), layout="constrained")
    _draw(made.subplots(), result)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path)


def _draw(axes: Any, result: Result) -> None:
    stat = result.statistics[0]
    labels = [a.arm for a in result.arms]
    for row, arm in enumerate(result.arms):
        number = arm.number(stat.name)
        if number is None:
            continue
        axes.barh(row, number.mean, color="#9ecae1", height=0.7)
        axes.plot(number.values, [row] * len(number.values), "o", color="#08306b", markersize=3)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    if stat.log:
        axes.set_xscale("log")
    axes.set_xlabel(f"{stat.name}: {stat.words}")
    axes.set_title(result.question, fontsize=10, loc="left", wrap=True)
