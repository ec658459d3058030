"""Judge stored measurements of small labelled networks by the rules alone, and count the hits.

usage: python benchmarks/rules_offline.py FOLDER [--when start|probe|run] [--list]

FOLDER holds cases.jsonl (config, outcome, mechanism labels, single changes that worked) and
measurements.jsonl (layer statistics, first losses, line probe, probe steps). No torch is loaded.
Numbers on nets whose rules were tuned elsewhere only: nothing here may choose a limit.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from undertow.core.learned import ONE_BATCH, learned
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
from undertow.diagnosis.engine import diagnose
from undertow.remedies.rank import rank

ACTS = {"leaky_relu": "leaky-relu"}
NORMS = {"none": "", "batch": "batch", "layer": "layer"}
PRIORS = {  # share of each class in the data set
    "circles": (0.5, 0.5),
    "moons": (0.5, 0.5),
    "blobs": (0.2,) * 5,
    "wine": (59 / 178, 71 / 178, 48 / 178),
    "cancer": (357 / 569, 212 / 569),
    "diabetes": (0.5, 0.5),
}
FEATURES = {"circles": 2, "moons": 2, "blobs": 10, "wine": 13, "cancer": 30, "diabetes": 10}
SIDES = {"digits8": 8, "digits16": 16}
PIXELS, DIGITS, KERNEL, SMALL = 64, 10, 9, 4
SUSPICION = 100.0  # line probe best this many times off the rate: curvature is looked at
WORDS = {"lr_high": "lr-high", "lr_low": "lr-low", "input_scale": "input-scale"}
CHANGES = {
    "lower-lr": "lr_down",
    "raise-lr": "lr_up",
    "he-init": "init",
    "xavier-init": "init",
    "orthogonal-init": "init",
    "lsuv-init": "init",
    "relu": "act_relu",
    "leaky-relu": "leaky",
    "batch-norm": "norm_batch",
    "reset-bias": "bias0",
    "standardise-input": "input_std",
    "clip-norm": "clip",
    "skip": "skip",
    "shallower": "shallower",
    "adam": "adam",
}
FIXES = {"leak": "leaky", "depth3": "shallower"}
FIXES |= {f"lr_x{f}": "lr_down" for f in ("0.1", "0.01", "0.001")}
FIXES |= {f"lr_x{f}": "lr_up" for f in ("10", "100")}

Json = dict[str, Any]


def record_of(config: Json, m: Json, when: str) -> Record:
    """The record a check (`when` "start" or "probe") or a run of 100 steps would have written."""
    layers = tuple(_layers(config, m["snaps"]["0"]))
    priors = PRIORS.get(config["data"], (1 / DIGITS,) * DIGITS)
    start = m["snaps"]["0"]
    common: Json = {
        "optimizer": _optimizer(config),
        "layers": layers,
        "const_loss": -sum(p * math.log(p) for p in priors),
        "loss": "cross-entropy",
        "input": InputFacts(
            rms=start["input_rms"],
            abs_max=start["input_absmax"],
            classes=len(priors),
            output_classes=len(priors),
        ),
    }
    if when == "run":
        snaps = tuple(_snapshots(config, m["snaps"]))
        kept = enumerate(map(_number, m["losses100"]))
        metrics = tuple(Scalars(i, v, config["lr"]) for i, v in kept)
        return Record(
            kind="run", metrics=metrics, snapshots=snaps, first_loss=m["losses100"][0], **common
        )
    probe = m["probe"]
    losses = tuple(_probe_steps(probe, common["const_loss"])) if when == "probe" else ()
    line = tuple(LinePoint(10.0 ** (k - 3), _number(v)) for k, v in enumerate(probe["line"]))
    return Record(
        kind="check",
        snapshots=tuple(_snapshots(config, {"0": start})),
        first_loss=_number(probe["l0"]),
        line=line,
        one_batch=losses,
        probe_steps=50 if losses else 0,
        curvature=start.get("lam"),
        **common,
    )


def _probe_steps(probe: Json, constant: float) -> Iterator[float]:
    """The 8 of 51 losses that were kept; two in a row below the mark end them, as three of all."""
    before = math.inf
    for _, loss, _ in probe["one"]:
        now = _number(loss)
        yield now
        if max(before, now) < ONE_BATCH * constant:
            yield now
            return
        before = now


def _number(v: float | None) -> float:
    return math.nan if v is None else v


def _optimizer(config: Json) -> OptimizerFacts:
    name = "adam" if config["opt"] == "adam" else "sgd"
    momentum = 0.9 if config["opt"] == "momentum" else 0.0
    return OptimizerFacts(name, config["lr"], momentum, clip_norm=config["clip"])


def _layers(config: Json, start: Json) -> Iterator[Layer]:
    conv, width = config["arch"] == "cnn", config["width"]
    head = len(start["w"]) - 1
    for i in range(len(start["w"])):
        fan_in = _inputs(config) if i == 0 else width * (KERNEL if conv else 1)
        default = 1 / math.sqrt(3 * fan_in) if config["init"] == "default" else 0.0
        hidden = i < head
        yield Layer(
            path="head" if i == head else f"l{i}",
            kind="Conv2d" if conv and hidden else "Linear",
            order=i,
            act=str(ACTS.get(config["act"], config["act"])) if hidden else "",
            role="hidden" if hidden else "head",
            norm=NORMS[config["norm"]] if hidden else "",
            units=width if hidden else DIGITS,
            fan_in=fan_in,
            fan_out=width * (KERNEL if conv else 1),
            weight_std=math.sqrt(start["wvar"][i]),
            bias_mean=config["bias"] if hidden else 0.0,
            bias_std=default,
        )


def _inputs(config: Json) -> int:
    if config["arch"] == "cnn":
        return KERNEL
    return FEATURES.get(config["data"], PIXELS)


def _positions(config: Json) -> list[int]:
    """Positions of every hidden output, before the pooling that follows it."""
    depth, size = config["depth"], SIDES.get(config["data"], 1)
    if config["arch"] != "cnn":
        return [1] * depth
    pool: set[int] = set()
    while size >> len(pool) > SMALL and len(pool) < depth:
        pool.add(max(1, round(depth * (len(pool) + 1) / 3)))
    out = []
    for d in range(1, depth + 1):
        out.append(size * size)
        size = size // 2 if d in pool else size
    return out


def _snapshots(config: Json, snaps: Json) -> Iterator[Snapshot]:
    positions = _positions(config)
    batch = max(64, config["batch"])
    for step in sorted(map(int, snaps)):
        row = snaps[str(step)]
        if row is None:
            return
        hidden = len(row["agrad"])
        shape = [math.sqrt(batch * config["width"] * positions[i]) for i in range(hidden)]
        columns = {
            "act_rms": row["act_rms"],
            "spread": [None if v is None else math.sqrt(max(v, 0.0)) for v in row["var_ratio"]],
            "dead": row["dead"],
            "saturated": row["sat"],
            "grad_l2": [
                None if g is None else g * s for g, s in zip(row["agrad"], shape, strict=True)
            ],
            "wgrad_l2": row["g"],
            "weight_l2": row["w"],
            "update_ratio": row["upd"],
        }
        made = tuple(Column(k, tuple(v)) for k, v in columns.items() if v is not None)
        yield Snapshot(step, made)


def _product(rms: float | None, root: float) -> float | None:
    return None if rms is None else rms * root


def verdict(case: Json, m: Json, when: str) -> Json:
    """What the rules say of a case: alarm, mechanism and the first remedies."""
    record = record_of(case["config"], m, when)
    found = diagnose(record)
    names = [r.name for r in rank(found, record)]
    return {
        "alarm": bool(found.symptoms),
        "mechanism": found.mechanism,
        "others": found.others,
        "remedies": [CHANGES[n] for n in names if n in CHANGES],
        "symptoms": [s.name for s in found.symptoms],
        "learned": learned(record),
        "notes": found.notes,
    }


def works(case: Json, change: str) -> bool | None:
    """Whether the change made the net train; None where nobody tried it."""
    fixes = case.get("fixes", {})
    tried = [v for k, v in fixes.items() if FIXES.get(k, k) == change]
    lowered = case["lr_dev"] > 0
    if change in ("lr_down", "lr_up") and "lr_good" in fixes and lowered == (change == "lr_down"):
        tried.append(fixes["lr_good"])
    return any(tried) if tried else None


def grade(cases: Iterable[Json], verdicts: Json) -> Json:
    """Recall, false alarms, mechanism and remedy counts over the nets both seeds agree on."""
    judged = [c for c in cases if c["robust"] and c["outcome"] in ("trainable", "untrainable")]
    sick = [c for c in judged if c["outcome"] == "untrainable"]
    well = [c for c in judged if c["outcome"] == "trainable"]
    hit = [c for c in sick if verdicts[c["id"]]["alarm"]]
    false = [c for c in well if verdicts[c["id"]]["alarm"]]
    named = {c["id"]: verdicts[c["id"]]["mechanism"].replace("-", "_") for c in judged}
    one = [c for c in hit if c["primary"] != "compound"]
    offered = [(c, verdicts[c["id"]]["remedies"]) for c in hit if verdicts[c["id"]]["remedies"]]
    first = [works(c, r[0]) for c, r in offered]
    three = [any(works(c, x) for x in r[:3]) for c, r in offered]
    normed = [c for c in false if c["config"]["norm"] != "none"]
    good = [c for c in false if c["family"] in ("good", "good_deep")]
    return {
        "recall": _share(len(hit), len(sick)),
        "false alarms": _share(len(false), len(well)),
        "false alarms, normalised": len(normed),
        "false alarms, plain good": len(good),
        "mechanism strict": _share(sum(named[c["id"]] == c["primary"] for c in one), len(one)),
        "mechanism supported": _share(sum(named[c["id"]] in c["supported"] for c in hit), len(hit)),
        "no mechanism named": sum(named[c["id"]] == "healthy" for c in hit),
        "first remedy works": _share(sum(map(bool, first)), len(first)),
        "first remedy untried": sum(x is None for x in first),
        "one of three works": _share(sum(three), len(three)),
        "missed": dict(Counter(c["primary"] for c in sick if not verdicts[c["id"]]["alarm"])),
        "confused": dict(
            Counter(
                f"{c['primary']} > {named[c['id']]}" for c in one if named[c["id"]] != c["primary"]
            ).most_common()
        ),
        "false": [c["id"] for c in false],
    }


def _share(part: int, whole: int) -> str:
    """k/n, the share and its 95 % Wilson interval."""
    if whole == 0:
        return "0/0"
    z, p = 1.96, part / whole
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole**2)) / (1 + z * z / whole)
    return f"{part}/{whole} = {p:.3f} [{middle - half:.3f}, {middle + half:.3f}]"


def main() -> None:
    """Print the table; with --list one line a wrong case too."""
    args = argparse.ArgumentParser()
    args.add_argument("folder", type=Path)
    args.add_argument("--when", choices=("start", "probe", "run"), default="run")
    args.add_argument("--list", action="store_true")
    given = args.parse_args()
    cases = [json.loads(line) for line in (given.folder / "cases.jsonl").open()]
    rows = map(json.loads, (given.folder / "measurements.jsonl").open())
    measured = {m["id"]: m for m in rows}
    verdicts = {c["id"]: verdict(c, measured[c["id"]], given.when) for c in cases}
    for key, value in grade(cases, verdicts).items():
        print(f"{key}: {value}")  # noqa: T201
    if given.list:
        for c in cases:
            v = verdicts[c["id"]]
            if c["robust"] and v["mechanism"].replace("-", "_") not in c["supported"]:
                print(c["id"], c["family"], c["primary"], c["supported"], v, c["config"])  # noqa: T201


if __name__ == "__main__":
    main()
