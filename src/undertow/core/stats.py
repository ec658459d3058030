"""Every statistic: its column, unit, side, formula and source. One row per call of a layer."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class StatFacts:
    """What a column holds: unit, side ("forward", "backward", "weight"), formula, source."""

    unit: str
    side: str
    formula: str
    source: str = ""


class Stat(Enum):
    """The columns. v is the layer's output after the activation it feeds, g = dL/dv."""

    act_rms = StatFacts("1", "forward", "‖v‖₂/√numel")
    act_mean = StatFacts("1", "forward", "Σv/numel")
    act_max = StatFacts("1", "forward", "max|v|")
    spread = StatFacts("share", "forward", "‖v − v̄‖₂/‖v‖₂, v̄ = mean over samples")
    dead = StatFacts("share", "forward", "units whose pre-activation is ≤ 0 for all samples")
    saturated = StatFacts("share", "forward", "inputs with slope < 5 % of the activation's top")
    grad_l2 = StatFacts("1", "backward", "‖g‖₂", "Glorot & Bengio 2010, sec. 4.2")
    grad_max = StatFacts("1", "backward", "max|g|")
    grad_zero = StatFacts("share", "backward", "exact zeros in a 4096-value subsample of g")
    wgrad_l2 = StatFacts("1", "weight", "‖∇W‖₂")
    weight_l2 = StatFacts("1", "weight", "‖W‖₂")
    rel_grad = StatFacts("ratio", "weight", "‖∇W‖₂/‖W‖₂")
    update_ratio = StatFacts("ratio", "weight", "‖W_after − W_before‖₂/‖W_before‖₂")
    nonfinite = StatFacts("count", "forward", "NaN and Inf entries of v and g")

    @property
    def column(self) -> str:
        """The column's name in records, files and `r.layers`."""
        return self.name


COLUMNS = tuple(s.name for s in Stat)
