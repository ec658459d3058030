"""What was found: evidence, symptom, experiment, cause, remedy, diagnosis. Frozen data."""

from dataclasses import dataclass

from undertow.core.plan import Edit


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number behind a claim: statistic, layer ("" = whole net), step, value, limit passed."""

    stat: str
    layer: str
    step: int
    value: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Symptom:
    """What is wrong and where, never why. `since` is the first bad step; `note` = not a finding."""

    id: str
    name: str
    layers: tuple[str, ...]
    since: int
    evidence: tuple[Evidence, ...]
    says: str = ""
    note: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The two numbers a counterfactual is judged by, and the stability of its start.

    `stat` names the symptom's statistic, `value` is that statistic (None: not measured),
    `progress` the one-batch loss over the best constant answer's (None: no probe steps taken).
    """

    stat: str
    value: float | None
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """One factor changed on a copy, measured again on the same probe batch.

    `outcome`: "clears" (the net now learns the probe batch), "helps" (statistic healthy, not
    enough to learn), "no change", "worse", or "not tested"; then `why` says why.
    `deviates`: the factor stood off its own rule (init off, bias, raw input, rate), so that it
    alone clearing outranks a generic cure. `edits` is what a plan would change.
    """

    factor: str
    variant: str
    before: Reading
    after: Reading
    outcome: str
    score: float = 0.0
    price: int = 1
    deviates: bool = False
    edits: tuple[Edit, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """The factor that explains symptoms, its standing, and the rivals an experiment excluded."""

    name: str
    layers: tuple[str, ...]
    because: str
    evidence: tuple[Evidence, ...]
    standing: str = "suspected"
    excluded: tuple[Experiment, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a remedy alone made nets of a mechanism train, of those where it was tried."""

    mechanism: str
    worked: int
    tried: int


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change, as data: the causes or mechanisms it answers, its edits, its cost, its record."""

    name: str
    answers: tuple[str, ...]
    change: tuple[Edit, ...]
    cost: str
    expected: tuple[Rate, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What judgement says of a record: one mechanism, symptoms, ranked causes and remedies.

    `others` are further mechanisms with support; `notes` unusual facts that are no findings;
    `watching` is true while it is too early for a verdict.
    """

    mechanism: str
    symptoms: tuple[Symptom, ...] = ()
    causes: tuple[Cause, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    watching: bool = False

    @property
    def healthy(self) -> bool:
        """No finding and no mechanism."""
        return self.mechanism == "healthy" and not any(not s.note for s in self.symptoms)
