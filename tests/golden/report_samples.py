"""Hand-made reports: a sick deep net, a healthy one, a watched run, a proven repair, oddities."""

import math
from dataclasses import replace

from undertow.core.codec import rounded
from undertow.core.finding import (
    Cause,
    Diagnosis,
    Evidence,
    Experiment,
    Rate,
    Reading,
    Remedy,
    Symptom,
)
from undertow.core.plan import Choices, Edit, Plan, TrainChoices
from undertow.core.record import (
    Column,
    InputFacts,
    Layer,
    LinePoint,
    OptimizerFacts,
    Record,
    Scalars,
    Snapshot,
)
from undertow.core.run import Evaluation
from undertow.core.verdict import Effect, Trial, Verdict
from undertow.report import Report

LN10 = rounded(math.log(10))
RELU = (Edit("act", "relu"), Edit("init", "he-normal"))
NORM = (Edit("norm", "batch"),)
FACTS = (("data", "digits"), ("batch", "64"), ("seed", "0"), ("seconds", "7.4"), ("device", "cpu"))


def layers(count: int, act: str = "sigmoid", norm: str = "") -> tuple[Layer, ...]:
    """`count` 3x3 convolutions of 16 channels and a linear head."""
    conv = tuple(
        Layer(f"conv{i}", "Conv2d", i - 1, act, "hidden", norm, f"act{i}", 16, 144, 144, 0.08)
        for i in range(1, count + 1)
    )
    return (*conv, Layer("fc", "Linear", count, "", "head", "", "", 10, 16, 10, 0.25))


def snapshot(step: int, count: int, keep: float, grow: float = 1.0, **more: float) -> Snapshot:
    """Statistics of `count` layers and a head: the gradient × `keep` a layer, the signal × `grow`.

    Further statistics are given as one value for every layer.
    """
    rows = range(count + 1)
    act = tuple(0.52 * grow**i for i in rows)
    grad = tuple(0.031 * keep ** (count - i) for i in rows)
    weight = tuple(g * a * 9 for g, a in zip(grad, act, strict=True))
    update = tuple(0.1 * w / 0.96 for w in weight)
    every = {"dead": 0.0, "saturated": 0.0, "spread": 0.4, "nonfinite": 0.0, **more}
    shown = [("act_rms", act), ("grad_l2", grad), ("wgrad_l2", weight), ("update_ratio", update)]
    shown += [(stat, (value,) * (count + 1)) for stat, value in every.items()]
    return Snapshot(step, tuple(Column(s, tuple(map(rounded, values))) for s, values in shown))


def experiments() -> tuple[Experiment, ...]:
    """Counterfactuals of the sick net: no single factor but the norm clears it, one pair does."""
    sick = Reading("decay", 9.41, 0.998)

    def made(
        factor: str,
        variant: str,
        decay: float | None,
        loss: float | None,
        outcome: str,
        edits: tuple[Edit, ...] = (),
        why: str = "",
    ) -> Experiment:
        after = Reading("decay", decay, loss)
        return Experiment(
            factor, variant, sick, after, outcome, price=len(edits) or 1, edits=edits, why=why
        )

    return (
        made("activation", "relu", 4.2, 0.997, "no change", RELU[:1]),
        made("activation", "tanh", 0.31, 0.98, "helps", (Edit("act", "tanh"),)),
        made("initialisation", "he-normal", 5.6, 0.998, "no change", RELU[1:]),
        made("input-scale", "standardised", 9.39, 0.998, "no change", (Edit("standardise", True),)),
        made("learning-rate", "× 10", 9.41, 0.999, "no change", (Edit("lr", 0.2),)),
        made("normalisation", "batch", -0.1, 0.12, "clears", NORM),
        made("depth", "3 layers", None, None, "not tested", (Edit("depth", 3),), "budget"),
        made("activation + initialisation", "relu, he-normal", 0.3, 0.31, "clears", RELU),
        made("decoy", "same init, drawn again", 9.47, 0.998, "no change"),
    )


def sick(count: int = 12) -> Report:
    """A plain sigmoid net whose gradient vanishes, checked before training."""
    plan = Plan(
        "conv",
        Choices(act="sigmoid", init="xavier-uniform"),
        (("depth", count), ("pool_at", (4, 8))),
        train=TrainChoices(lr=0.02),
    )
    tried = experiments()
    lost = 10 ** -(9.41 / (count - 1))
    record = Record(
        "check",
        "conv",
        plan,
        OptimizerFacts("sgd", 0.02, 0.9),
        layers(count),
        snapshots=(snapshot(0, count, lost, 1.0),),
        const_loss=LN10,
        first_loss=2.41,
        loss="cross-entropy",
        input=InputFacts((64, 1, 8, 8), 1.0, 4.1, classes=10, output_classes=10),
        line=tuple(LinePoint(10.0**k, rounded(2.41 - 0.02 * (k + 3))) for k in range(-3, 4)),
        one_batch=tuple(rounded(2.41 - 0.112 * (1 - 0.8**i)) for i in range(51)),
        probe_steps=50,
        experiments=tried,
        facts=FACTS,
    )
    found = Evidence("decay", "", 0, 9.41, 3.0)
    starved = tuple(y.path for y in record.layers[: count // 2])
    symptom = Symptom(
        "UT101",
        "vanishing-gradient",
        starved,
        0,
        (found,),
        f"the gradient at conv1 is 3.9e-10 of that at conv{count}; limit 0.001",
    )
    cause = Cause(
        "activation",
        starved,
        f"{len(starved)} of {len(starved)} starved layers feed sigmoid (slope ≤ 0.25)",
        (found,),
        "supported",
        (tried[2], tried[3], tried[4]),
    )
    remedies = (
        Remedy(
            "batch-norm",
            ("normalisation",),
            NORM,
            "parameters: two a channel",
            (Rate("vanishing", 52, 57),),
        ),
        Remedy(
            "relu", ("activation",), RELU, "weights are drawn again", (Rate("vanishing", 19, 50),)
        ),
        Remedy(
            "skip",
            ("depth",),
            (Edit("skip", "projection"),),
            "parameters at each stride",
            (Rate("vanishing", 16, 47),),
        ),
        Remedy("aux-head", ("depth",), (Edit("aux", True),), "a second head while training"),
    )
    return Report(Diagnosis("vanishing", (symptom,), (cause,), remedies, ("lr-low",)), record)


def healthy() -> Report:
    """A shallow ReLU net on random input; nothing to find, no optimiser given."""
    record = Record(
        "check",
        "net.py:build",
        layers=layers(5, "relu"),
        snapshots=(snapshot(0, 5, 0.93, 0.97),),
        const_loss=LN10,
        first_loss=2.35,
        loss="cross-entropy",
        one_batch=(2.35, 2.1, 1.7, 1.2, 0.7),
        probe_steps=50,
        facts=(("data", "random"), ("batch", "8"), ("seed", "0"), ("seconds", "1.2")),
    )
    return Report(Diagnosis("healthy"), record)


def run(steps: int = 200) -> Report:
    """A watched training of the repaired net, with held-back results."""
    plan = sick().record.plan
    assert plan is not None
    drop = tuple(LN10 * (0.04 + 0.96 * math.exp(-i / 40)) for i in range(steps))
    metrics = tuple(
        Scalars(
            i,
            rounded(x * (1 + 0.06 * math.sin(i * 1.7))),
            0.02,
            1.5,
            rounded(min(0.99, 1 - x / 2.6)),
        )
        for i, x in enumerate(drop)
    )
    at = sorted({0, 1, 2, 4, 8, 16, 32, 64, 100, *range(120, steps, 20), steps - 1})
    at = [step for step in at if step < steps]
    record = Record(
        "run",
        "runs/demo",
        plan.edit(NORM),
        OptimizerFacts("sgd", 0.02, 0.9),
        layers(12, "sigmoid", "batch"),
        metrics,
        tuple(snapshot(s, 12, 1.05 - 0.0004 * s, dead=0.02, saturated=0.1) for s in at),
        const_loss=LN10,
        first_loss=rounded(drop[0]),
        loss="cross-entropy",
        facts=(("data", "digits"), ("batch", "64"), ("seed", "0"), ("seconds", "31.0")),
    )
    note = Symptom(
        "UT105",
        "saturated-units",
        ("conv3",),
        100,
        (),
        "61% of the inputs of conv3's activation; training progresses",
        note=True,
    )
    held = tuple(
        Evaluation(s, rounded(2.3 - 0.011 * s), rounded(min(0.97, 0.1 + 0.005 * s)), 360)
        for s in range(19, steps, 20)
    )
    return Report(Diagnosis("healthy", (note,)), record, evaluations=held)


def proven() -> Verdict:
    """Batch norm against the unrepaired control and a decoy, three seeds."""
    held = {
        "control": (1.0, 1.01, 0.999),
        "batch-norm": (0.12, 0.15, 0.1),
        "decoy (clip-norm)": (1.0, 1.0, 1.002),
    }
    right = {
        "control": (0.1, 0.09, 0.1),
        "batch-norm": (0.942, 0.93, 0.961),
        "decoy (clip-norm)": (0.1, 0.1, 0.094),
    }
    trials = tuple(
        Trial(
            arm,
            seed,
            300,
            loss * 0.9,
            loss,
            right[arm][seed],
            parameters=30_000,
            seconds=6.1,
            curve=tuple(1 - (1 - loss) * (1 - 0.9**i) for i in range(30)),
        )
        for arm, losses in held.items()
        for seed, loss in enumerate(losses)
    )
    return Verdict(
        "repaired",
        Effect(-0.88, -0.951, -0.809, 3, 3),
        (-0.951, -0.809),
        (0, 1, 2),
        trials,
        ("+384 parameters", "step time × 1.3"),
        "it trains in 3 of 3 seeds, the unrepaired net in 0 of 3",
        "batch-norm",
        NORM,
        Effect(-0.877, -0.95, -0.804, 3, 3),
    )


def failed() -> Verdict:
    """A remedy tried before, not shown."""
    trials = tuple(Trial("relu", s, 300, 0.99, 0.99, 0.12) for s in range(3))
    return Verdict(
        "not-shown",
        Effect(-0.01, -0.2, 0.18, 3, 2),
        (-0.2, 0.18),
        (0, 1, 2),
        trials,
        remedy="relu",
        edits=RELU,
    )


def repaired() -> Report:
    """The sick net with the verdict of its repair."""
    return replace(sick(), verdict=proven(), tried=(failed(),))


def broken() -> Report:
    """NaN, infinities, zeros and gaps among the numbers of a run that overflowed."""
    nan, inf = math.nan, math.inf
    names = layers(4, "relu")
    snap = Snapshot(
        8,
        (
            Column("act_rms", (0.5, 3e19, inf, nan, nan)),
            Column("grad_l2", (nan, nan, 0.0, 2e-3, None)),
            Column("update_ratio", (None,) * 5),
            Column("nonfinite", (0.0, 0.0, 12.0, 64.0, 64.0)),
        ),
    )
    record = Record(
        "run",
        "loop.py",
        optimizer=OptimizerFacts("sgd", 10.0),
        layers=names,
        metrics=(Scalars(0, 2.3, 10.0, 5.0), Scalars(1, 4e8, 10.0, inf), Scalars(2, nan)),
        snapshots=(snapshot(0, 4, 1.1), snap),
        const_loss=None,
        one_batch=(2.3, inf),
        line=(LinePoint(0.1, 2.2), LinePoint(1.0, inf), LinePoint(10.0, nan)),
    )
    evidence = Evidence("act_rms", "conv3", 8, inf)
    symptom = Symptom(
        "UT108",
        "non-finite",
        ("conv3",),
        8,
        (evidence,),
        "the output at conv3 is inf at step 8, the first one",
    )
    return Report(Diagnosis("exploding", (symptom,)), record)


def empty() -> Report:
    """Nothing was recorded."""
    return Report(Diagnosis("healthy", watching=True), Record())


def hostile() -> Report:
    """Names that would be markup or script on a page that did not escape them."""
    bad = '<img src=x onerror="alert(1)">'
    record = replace(
        sick().record,
        source="</script><script>alert(2)</script>",
        layers=tuple(replace(y, path=f"{bad}.{y.path}", kind="<b>K</b>") for y in layers(12)),
        facts=(("data", "<svg onload=alert(3)>"), ("<i>", "]]>")),
        notes=("<u>note</u> & 'quote'",),
    )
    symptom = replace(sick().symptoms[0], layers=(f"{bad}.conv1",), says=f"at {bad}.conv1")
    return Report(replace(sick().diagnosis, symptoms=(symptom,)), record)
