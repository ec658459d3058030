"""The command that repeats what a record shows, as one would type it."""

import shlex
from dataclasses import fields

from undertow.core.plan import Plan, TrainChoices
from undertow.core.record import Record

PLAIN = TrainChoices()
SHARED = ("optimizer", "lr", "loss")  # training options every command takes


def command(verb: str, record: Record) -> str:
    """`undertow <verb> MODEL ...` for the record's plan or source; in Python where it has neither.

    Args:
        verb: "check", "repair" or "train".
        record: whose plan, data and source are meant.
    """
    facts = dict(record.facts)
    words = (
        [record.source, *shlex.split(facts["options"])] if "options" in facts else _model(record)
    )
    if not words:
        return f"ut.{verb}({'build' if verb == 'repair' else 'net'}, data)"
    data = facts.get("data", "")
    if data and data != "random":
        words += ["--data", data]
    return shlex.join(["undertow", verb, *words])


def _model(record: Record) -> list[str]:
    if record.plan is None:
        typed = ":" in record.source
        return [record.source, *_rate(record)] if typed else []
    return [record.plan.model, *_choices(record.plan)]


def _rate(record: Record) -> list[str]:
    opt = record.optimizer
    words = ["--optimizer", opt.name.lower()] if opt.name.lower() not in {"", "sgd"} else []
    return words + (["--lr", f"{opt.lr:g}"] if opt.name and opt.lr is not None else [])


def _choices(plan: Plan) -> list[str]:
    words: list[str] = []
    for name, value in plan.sizes:
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    for field in fields(plan.choices):
        value = getattr(plan.choices, field.name)
        words += [] if value is None else [f"--{field.name}", str(value)]
    if plan.variant != "published":
        words += ["--variant", plan.variant]
    for name in SHARED:
        value = getattr(plan.train, name)
        words += [] if value == getattr(PLAIN, name) else [f"--{name}", f"{value}"]
    return words
