"""What was measured: layers, scalars of every step, layer statistics of sampled steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from undertow.core.finding import Experiment, Symptom
from undertow.core.plan import Plan

CUT = "cut"  # the fact that holds what the budget cut off before the verdict
Cell = float | None  # None: not measured. NaN and infinities are values.


@dataclass(frozen=True, slots=True)
class Layer:
    """One row: one call of a layer that has weights (`path#2` for a second call).

    `act` is the word of the activation the layer feeds ("" for none or an unknown one), `norm`
    the kind of norm between the two. `role` is "hidden", "head" (the last one executed) or "norm"
    (a normalisation's own parameters). `weight_std` and `bias_mean` are of the start, `units`
    counts output channels or features, `act_path` is the activation's own module path.
    """

    path: str
    kind: str
    order: int
    act: str = ""
    role: str = "hidden"
    norm: str = ""
    act_path: str = ""
    units: int = 0
    fan_in: int = 0
    fan_out: int = 0
    weight_std: Cell = None
    bias_mean: Cell = None
    bias_std: Cell = None


@dataclass(frozen=True, slots=True)
class Column:
    """One statistic of every layer at one step, in row order."""

    stat: str
    values: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All layer statistics of one sampled step (0 = before the first update)."""

    step: int
    columns: tuple[Column, ...]

    def column(self, stat: str) -> tuple[Cell, ...]:
        """The values of a statistic in row order; () where it was not measured at all."""
        return next((c.values for c in self.columns if c.stat == stat), ())


@dataclass(frozen=True, slots=True)
class Scalars:
    """One training step: loss before the update, rate, pre-clip gradient L2 norm, accuracy.

    `clipped_norm` is the gradient's norm after the clip, None where nothing was cut; `skipped` is
    1 for a step that the loss scaler of fp16 left out. On inputs that mixup or cutmix mixed,
    `mixed_accuracy` is the share answered by the label of the larger share, and `accuracy` is None.
    """

    step: int
    loss: Cell = None
    lr: Cell = None
    grad_norm: Cell = None
    accuracy: Cell = None
    clipped_norm: Cell = None
    skipped: Cell = None
    mixed_accuracy: Cell = None


@dataclass(frozen=True, slots=True)
class Held:
    """The loss on held-back data after `step` steps, of the same criterion as the training's."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class OptimizerFacts:
    """The optimiser in numbers. `name` "" means none was given: the rate is not tested."""

    name: str = ""
    lr: Cell = None
    momentum: float = 0.0
    nesterov: bool = False
    clip_norm: Cell = None
    weight_decay: float = 0.0

    @property
    def adaptive(self) -> bool:
        """Whether each weight's step is scaled by its own gradient history (Adam's family)."""
        return self.name.lower() in {
            "adam",
            "adamw",
            "nadam",
            "radam",
            "adamax",
            "adagrad",
            "rmsprop",
        }


@dataclass(frozen=True, slots=True)
class LinePoint:
    """Loss on the probe batch after one optimiser-shaped step of lr × factor."""

    factor: float
    loss: float


@dataclass(frozen=True, slots=True)
class InputFacts:
    """The probe batch: scale of the raw features and of the targets, and the classes seen.

    `std_ratio` is the largest over the smallest feature (channel) standard deviation.
    """

    shape: tuple[int, ...] = ()
    rms: Cell = None
    abs_max: Cell = None
    std_ratio: Cell = None
    constant: int = 0
    features: int = 0
    target_rms: Cell = None
    classes: int = 0
    output_classes: int = 0
    one_shot: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Everything judgement needs, and all that a run folder holds.

    `kind` is "check" (before training; snapshots and `one_batch` are of a copy) or "run".
    `const_loss` is the loss of the best constant answer; None where it cannot be known, and
    `best_loss` the lowest loss possible. `curvature` is λ, the largest Hessian eigenvalue found;
    `one_batch` the losses of the probe steps on one batch, `line` the line probe. `limits` are
    the user's own, by name, where they differ from the rules'.
    """

    kind: str = "run"
    source: str = ""
    plan: Plan | None = None
    optimizer: OptimizerFacts = field(default_factory=OptimizerFacts)
    layers: tuple[Layer, ...] = ()
    metrics: tuple[Scalars, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    held: tuple[Held, ...] = ()
    const_loss: Cell = None
    best_loss: float = 0.0
    first_loss: Cell = None
    loss: str = ""
    input: InputFacts = field(default_factory=InputFacts)
    static: tuple[Symptom, ...] = ()
    curvature: Cell = None
    line: tuple[LinePoint, ...] = ()
    one_batch: tuple[float, ...] = ()
    probe_steps: int = 0
    experiments: tuple[Experiment, ...] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, float], ...] = ()

    def limit(self, name: str, usual: float) -> float:
        """The limit a rule is judged by: the one set for this judgement, else the rule's own.

        Args:
            name: of `diagnosis.settings.LIMITS`.
            usual: the rule's constant.
        """
        return dict(self.limits).get(name, usual)

    def profile(
        self, stat: str, snap: Snapshot, roles: Sequence[str] = ("hidden",)
    ) -> dict[str, float]:
        """Path -> value of one statistic, input first; only what was measured.

        Non-finite values are kept: judge them before taking logarithms.
        """
        values = snap.column(stat)
        pairs = zip(self.layers, values, strict=False)
        return {y.path: v for y, v in pairs if v is not None and y.role in roles}

    def layer(self, path: str) -> Layer | None:
        """The row of a path, or None."""
        return next((y for y in self.layers if y.path == path), None)

    def where(self, keep: Callable[[Layer], bool]) -> tuple[Layer, ...]:
        """The rows for which `keep` holds, input first."""
        return tuple(y for y in self.layers if keep(y))

    @property
    def normalised(self) -> bool:
        """Whether any hidden layer is followed by a norm before its activation."""
        return any(y.norm or y.role == "norm" for y in self.layers)

    @property
    def cut(self) -> str:
        """What the budget cut off before the verdict ("12 of 50 probe steps"); "" for nothing."""
        return dict(self.facts).get(CUT, "")

    @property
    def last_step(self) -> int:
        """The last step with a scalar or a snapshot; -1 before any."""
        steps = [m.step for m in self.metrics[-1:]] + [s.step for s in self.snapshots[-1:]]
        return max(steps, default=-1)
