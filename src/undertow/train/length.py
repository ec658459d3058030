"""How long a training that goes on still is, and what to say where that is not at all."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from undertow.core.errors import UsageError
from undertow.train.job import Job

COMPLETE = "nothing to train"
SPREAD = ("cosine", "one-cycle", "poly")  # schedules that are drawn over the whole length


def going_on(job: Job, about: Mapping[str, Any]) -> Job:
    """The job with a note where its length was changed, or where nothing of it is left.

    Args:
        job: that goes on, with its ranks.
        about: what its checkpoint says.

    Raises:
        UsageError: a new length that is below the steps already taken.
    """
    done, total, before = int(about["step"]), job.total, _before(job, about)
    if done > total != before:
        raise UsageError(
            f"{job.folder} has taken {done} steps, {_typed(job)} in all are fewer; epochs and steps"
            " count from the start: give more, or leave them out"
        )
    if done >= total:
        said = (
            f"{COMPLETE}: {job.folder} has taken {done} steps, the length is {_typed(job)};"
            " --epochs N or --steps N, counted from the start, goes on"
        )
    elif total != before and job.choices.schedule in SPREAD:
        said = (
            f"the length is {total} steps now, it was {before}: the schedule"
            f" {job.choices.schedule} is drawn over all of them, so the rate jumps"
        )
    else:
        return job
    return replace(job, notes=(*job.notes, said))


def _before(job: Job, about: Mapping[str, Any]) -> int:
    """Steps in all of the plan as it was, over today's ranks."""
    held = about.get("asked", {}).get("train", {})
    steps, epochs = held.get("steps"), held.get("epochs", job.choices.epochs)
    return int(steps or epochs * job.epoch)


def _typed(job: Job) -> str:
    if job.choices.steps:
        return f"{job.total} steps"
    epochs = job.choices.epochs
    return f"{epochs} epoch{'' if epochs == 1 else 's'} of {job.epoch} steps"
