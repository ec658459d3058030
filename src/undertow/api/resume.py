"""A run that goes on: the job of its checkpoint, once nothing that matters has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from undertow.api.prepare import fitted, prepared, split_options
from undertow.api.target import source as source_of
from undertow.api.transfer import located
from undertow.core.codec import decode
from undertow.core.errors import UsageError
from undertow.core.plan import Plan
from undertow.data.arrays import Arrays, load
from undertow.data.files import Files
from undertow.data.pixels import Pixels
from undertow.train import checkpoint
from undertow.train.fit import NO_LIMITS, Job, Limits

TOP = ("model", "validation", "seed", "variant", "classes", "side")
FEW = 5  # class names in a message
LENGTH = {"epochs", "steps"}
MAY_CHANGE = LENGTH  # of a plan; what `Limits` holds may change too


@dataclass(frozen=True, eq=False)
class Again:
    """What a resume is told besides options.

    Attributes:
        folder: of the run.
        limits: how long, how often saved.
        data: for a run whose data were given as objects; else None.
        accept_data_change: go on although the data are not the same.
    """

    folder: Path
    limits: Limits = NO_LIMITS
    data: Arrays | None = None
    accept_data_change: bool = False


def resumed(how: Again, given: Mapping[str, Any]) -> Job:
    """The job of a run's last checkpoint.

    Args:
        how: which run.
        given: options typed again; they must agree with the run's plan, but for `epochs` and
            `steps`: what is typed is the length, steps where both are.

    Raises:
        UsageError: no checkpoint, a changed plan or other data.
    """
    _, about = checkpoint.load(how.folder)
    if not about.get("asked", {}).get("model"):
        raise UsageError(f"{how.folder} was trained from objects in a program; resume it there")
    asked = decode(Plan, about["asked"])
    data = _data(asked, how, given.get("data"))
    _same_classes(how, about.get("classes", ()), data)
    plan = _agreeing(asked, {k: v for k, v in given.items() if k != "data"}, data)
    if data.fingerprint != about["fingerprint"] and not how.accept_data_change:
        raise UsageError(
            f"the data are not those {how.folder} was trained on (fingerprint {data.fingerprint},"
            f" was {about['fingerprint']}); bring them back or give --accept-data-change"
        )
    scaled = about.get("preprocessing", {}).get("scale") is not None
    data = replace(data, standardise=scaled)  # as the run did, whatever form the data now have
    source = source_of(plan, data)
    if isinstance(data.x, Pixels) and isinstance(data.x.source, Files):
        data.x.source.keep = about.get("kept", data.x.source.keep)
    job = prepared(source, data, plan.validation, plan.seed, how.folder, how.limits, about)
    return replace(job, resume=True)


def _same_classes(how: Again, before: Sequence[str], data: Arrays) -> None:
    """Nothing, where class k is still the same one: no option makes another one of it."""
    now = list(data.names)
    if list(before) == now or not before or not now:
        return
    gone, new = ([c for c in a if c not in b] for a, b in ((before, now), (now, before)))
    parts = (("without", gone), ("with", new))
    what = " and ".join(f"{w} {', '.join(some[:FEW])}" for w, some in parts if some)
    raise UsageError(
        f"{how.folder} was trained on {len(before)} classes, the data now have {len(now)},"
        f" {what or 'in another order'}; bring them back, or train anew, from what it learned with"
        f" --weights {how.folder}"
    )


def _data(asked: Plan, how: Again, typed: str | None) -> Arrays:
    if how.data is not None:
        return how.data
    if not asked.data:
        raise UsageError(f"the data of {how.folder} were given as objects; give data= again")
    return fitted(load(asked.data if typed is None else typed), asked.model, asked.side)


def _agreeing(asked: Plan, given: Mapping[str, Any], data: Arrays) -> Plan:
    """The plan with what may change as given.

    Raises:
        UsageError: names every field that differs and may not.
    """
    fields = {k: v for k, v in given.items() if k in TOP}
    model = given.get("model", asked.model)
    if model not in (asked.model, Path(asked.model).name):
        raise _changed({"model": (asked.model, model)})
    fields["model"] = asked.model
    rest = {k: v for k, v in located(given).items() if k not in fields}
    if rest.keys() & LENGTH == {"epochs"}:
        rest["steps"] = None  # else steps of the plan, which win over epochs, would hide them
    choices, training, sizes = split_options(rest)
    typed = replace(
        asked,
        **fields,
        choices=replace(asked.choices, **_named(choices, rest)),
        train=replace(asked.train, **_named(training, rest)),
        sizes=tuple({**dict(asked.sizes), **dict(sizes)}.items()),
    )
    made = source_of(typed, data)
    wanted = typed if made.plan is None else made.plan
    old, new = _flat(asked), _flat(wanted)
    free = {*MAY_CHANGE, "data"}
    changed = {k: (old[k], new.get(k)) for k in old if old[k] != new.get(k) and k not in free}
    if changed:
        raise _changed(changed)
    return wanted


def _changed(fields: Mapping[str, tuple[Any, Any]]) -> UsageError:
    words = "; ".join(f"{name}: {old} is now {new}" for name, (old, new) in fields.items())
    return UsageError(f"a resume goes on with the same plan ({words}); leave these options out")


def _named(part: object, given: Mapping[str, Any]) -> dict[str, Any]:
    return {k: getattr(part, k) for k in given if hasattr(part, k)}


def _flat(plan: Plan) -> dict[str, Any]:
    held = asdict(plan)
    return {**held.pop("choices"), **held.pop("train"), **dict(held.pop("sizes")), **held}
