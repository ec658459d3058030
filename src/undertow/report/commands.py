"""The command that repeats what a record shows, as one would type it."""

import shlex

from undertow.core.plan import Plan, TrainChoices
from undertow.core.record import Record

PLAIN, PUBLISHED = TrainChoices(), "published"
CHOICES = ("act", "norm", "init", "skip", "dropout")
SHARED = ("optimizer", "lr", "loss", "batch", "clip_norm", "clip_value", "l1", "l2")
LENGTH = ("epochs", "steps", "schedule", "warm_up")  # of `train` alone


def command(verb: str, record: Record) -> str:
    """`undertow <verb> MODEL ...` for the record's plan or source; in Python where it has neither.

    Args:
        verb: "check", "repair" or "train".
        record: whose plan, data and source are meant.
    """
    facts = dict(record.facts)
    data, typed = facts.get("data", ""), facts.get("options", "")
    words = [record.source, *shlex.split(typed)] if typed else _model(verb, record)
    if not words:
        return _python(verb, record)
    if data and data != "random":
        words += ["--data", data]
    return shlex.join(["undertow", verb, *words])


def _python(verb: str, record: Record) -> str:
    if verb == "train":
        return f"ut.diagnose({record.source!r})" if record.source else "ut.watch(net)"
    return f"ut.{verb}({'build' if verb == 'repair' else 'net'}, data)"


def _model(verb: str, record: Record) -> list[str]:
    if record.plan is None:
        return [record.source, *_rate(record)] if ":" in record.source else []
    return [record.plan.model, *_choices(record.plan), *_training(verb, record.plan)]


def _rate(record: Record) -> list[str]:
    opt = record.optimizer
    words = ["--optimizer", opt.name.lower()] if opt.name.lower() not in {"", "sgd"} else []
    return words + (["--lr", f"{opt.lr:g}"] if opt.name and opt.lr is not None else [])


def _choices(plan: Plan) -> list[str]:
    words: list[str] = []
    for name, value in plan.sizes:
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    for name in CHOICES:
        value = getattr(plan.choices, name)
        words += (
            [] if value is None else [f"--{name}", f"{value:g}" if name == "dropout" else value]
        )
    return words + (["--variant", plan.variant] if plan.variant != PUBLISHED else [])


def _training(verb: str, plan: Plan) -> list[str]:
    words: list[str] = []
    for name in (*SHARED, *(LENGTH if verb == "train" else ())):
        value = getattr(plan.train, name)
        same = value == getattr(PLAIN, name)
        words += [] if same else [f"--{name.replace('_', '-')}", str(value)]
    if plan.train.standardise is not None:
        words.append("--standardise" if plan.train.standardise else "--no-standardise")
    return words + (["--seed", str(plan.seed)] if plan.seed else [])
