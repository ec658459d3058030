"""Sick records by mechanism, and healthy ones that only look wrong."""

from dataclasses import replace

from tests.cases.records import (
    ADAM,
    CONST,
    LEARNS,
    RAW,
    STANDARD,
    TOO_FAST,
    TOO_SLOW,
    check,
    experiment,
    falling,
    layers,
    run,
    static,
)
from undertow.core.record import LinePoint, Record

NAN = float("nan")
DEAD = (1.0, *(0.3,) * 19)
UP = tuple(10 ** (0.1 * i) for i in range(20))  # 1.9 decades of growth over 20 layers

SICK: dict[str, tuple[str, Record]] = {
    "vanishing": ("vanishing", check(grad_l2=falling(0.5))),
    "vanishing run": ("vanishing", run(grad_l2=falling(0.5))),
    "exploding gradients": ("exploding", check(grad_l2=falling(2.0))),
    "exploding signal": ("exploding", check(act_rms=UP)),
    "exploding first loss": ("exploding", check(first_loss=4.1 * CONST)),
    "not finite at birth": ("exploding", check(first_loss=NAN, one_batch=())),
    "not finite at birth, raw": ("input-scale", check(first_loss=NAN, one_batch=(), input=RAW)),
    "dead at birth": ("dead", check(dead=DEAD)),
    "dead at birth, run": ("dead", run(dead=DEAD)),
    "saturated": ("saturated", check(saturated=0.95, layers=layers(act="tanh", w2=64.0))),
    "raw input": ("input-scale", check(input=RAW)),
    "lr too high": ("lr-high", check(line=TOO_FAST)),
    "lr too high by the loss": ("lr-high", check(one_batch=(CONST, *(1.6 * CONST,) * 50))),
    "lr too high, NaN later": ("lr-high", run((CONST, CONST, 50.0, NAN))),
    "lr killed it": (
        "lr-high",
        run(dead=DEAD, first={"update_ratio": 0.3}),
    ),
    "lr too low": ("lr-low", check(line=TOO_SLOW, update_ratio=3e-4)),
    "lr too low, run": ("lr-low", run(update_ratio=3e-4)),
    "softmax twice": ("head", check(learns=True, static=(static("head-mismatch"),))),
    "detached loss": ("head", check(learns=None, static=(static("loss-mismatch"),))),
    "label outside": ("data", check(learns=None, static=(static("label-error"),))),
    "no mechanism": ("healthy", check()),
    "experiment names it": (
        "vanishing",
        check(
            experiments=(
                experiment("initialisation", "clears", ("init", "he-normal"), deviates=True),
            )
        ),
    ),
    "experiment overrules": (
        "lr-high",
        check(
            input=RAW,
            experiments=(
                experiment("input-scale", "no change", ("standardise", True)),
                experiment("learning-rate", "clears", ("lr", 0.01), variant="× 0.1", deviates=True),
            ),
        ),
    ),
}
SHRINKING = tuple(CONST * 0.985**i for i in range(100))
HEALTHY: dict[str, Record] = {
    "plain": check(learns=True),
    "decays and learns": check(learns=True, grad_l2=falling(0.5)),
    "grows and learns": check(learns=True, grad_l2=falling(2.0), act_rms=UP),
    "huge first loss and learns": check(learns=True, first_loss=30.0),
    "collapsed and learns": check(learns=True, spread=0.01),
    "95 % dead and learns": check(learns=True, dead=(0.95, *(0.3,) * 19)),
    "saturated and learns": check(learns=True, saturated=0.95),
    "raw and learns": check(learns=True, input=RAW),
    "normalised, raw, wrong init": check(
        learns=True, input=RAW, layers=layers(norm="batch", w2=50.0, bias=-3.0)
    ),
    "final ReLU and learns": check(learns=True, static=(static("head-mismatch", gated=True),)),
    "equal rows and learns": check(learns=True, static=(static("symmetric-weights", gated=True),)),
    "zero gain and learns": check(learns=True, wgrad_l2=(0.0, *(1.0,) * 19)),
    "all units below 0 in an ELU": check(learns=True, dead=1.0, layers=layers(act="elu")),
    "no probe steps": check(learns=None, grad_l2=falling(0.9)),
    "no probe steps, decays but inputs differ": check(learns=None, grad_l2=falling(0.5)),
    "wild line probe and learns": check(learns=True, line=TOO_FAST),
    "run that learns": run(SHRINKING, grad_l2=falling(0.5), spread=0.01, saturated=0.95),
    "run that swings and learns": run(
        tuple(v * (1.5 if i % 2 else 0.6) for i, v in enumerate(SHRINKING)), update_ratio=0.05
    ),
    "run just above guessing, falling": run(tuple(CONST * (1.2 - 0.003 * i) for i in range(100))),
    "young run": run((CONST,) * 50, grad_l2=falling(0.5)),
    "Adam decays": replace(check(learns=True, grad_l2=falling(0.5)), optimizer=ADAM),
    "tail of the probe steps": check(one_batch=(*(CONST,) * 48, *LEARNS[-3:])),
    "line with a hole": check(learns=True, line=(LinePoint(1.0, NAN),), input=STANDARD),
}
