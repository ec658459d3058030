"""A sweep of learning rates over a job that has not begun: `undertow train --find-lr`."""

from undertow.nn.threads import single_threaded, small
from undertow.preflight import guarded
from undertow.train.fit import Job
from undertow.train.loop import How, penalties
from undertow.train.objective import Objective
from undertow.train.precision import autocast
from undertow.train.rate_finder import STEPS, Rates, find_rate

__all__ = ["Rates", "rates"]


def rates(job: Job) -> Rates:
    """The curve of losses over rates on a copy, and two suggestions; the job stays as it is."""
    made = job.objective or Objective(job.loss_fn)
    how = How(
        made.loss_fn,
        penalties(job.choices),
        mass=made.mass,
        autocast=autocast(job.choices.precision, job.device),
    )
    values = job.choices.batch * job.train.x[0].numel()
    with guarded(job.seed), single_threaded(small(job.net, values)):
        return find_rate(job.net, job.optimizer, job.feed.groups(0, STEPS), how)
