"""How every figure is made: ratios inside one run, arms interleaved, a control arm beside them.

Clock: CPU time of the process. A round runs the arms in zig-zag order (A B C C B A); its ratios
are those of the sums. What is quoted is the median of the rounds' ratios with quartiles. A result
within the control's deviation is no result.
"""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median, quantiles

import torch

Arm = Callable[[], None]


@dataclass(frozen=True)
class Ratio:
    """One arm over the first arm: median and quartiles of the rounds' ratios.

    `quiet` is the median over the half of the rounds in which the control stayed nearest to 1.
    """

    name: str
    median: float
    low: float
    high: float
    rounds: int
    quiet: float

    def __str__(self) -> str:
        span = f"[{self.low:.3f}, {self.high:.3f}]"
        return f"{self.name:28} ×{self.median:.3f}  {span}  quiet half ×{self.quiet:.3f}"


def interleave(
    arms: Mapping[str, Arm], rounds: int, clock: Callable[[], float] = time.process_time
) -> list[Ratio]:
    """Every arm's time over the first one's, by rounds.

    Args:
        arms: name -> a block of work; the first is the reference, the second its control.
        rounds: at least 2; one more is run first and thrown away.
        clock: seconds.
    """
    order = [*arms, *reversed(arms)]
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds + 1):
        spent = dict.fromkeys(arms, 0.0)
        for name in order:
            began = clock()
            arms[name]()
            spent[name] += clock() - began
        first = next(iter(spent.values()))
        for name, seconds in spent.items():
            found[name].append(seconds / first)
    kept = {name: ratios[1:] for name, ratios in list(found.items())[1:]}
    control = next(iter(kept.values()))
    calm = sorted(range(rounds), key=lambda i: abs(control[i] - 1))[: max(1, rounds // 2)]
    return [_ratio(name, ratios, calm) for name, ratios in kept.items()]


def _ratio(name: str, ratios: list[float], calm: list[int]) -> Ratio:
    low, _, high = quantiles(ratios, n=4)
    quiet = median(ratios[i] for i in calm)
    return Ratio(name, median(ratios), low, high, len(ratios), quiet)


def surroundings() -> dict[str, object]:
    """What stands beside a figure: versions, threads, the kind of processor."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


def as_json(title: str, ratios: list[Ratio], more: Mapping[str, object]) -> str:
    """One line of JSON for a benchmark."""
    held = {"title": title, **surroundings(), **more, "ratios": [asdict(r) for r in ratios]}
    return json.dumps(held)
