"""A job run under the watch: what `train` does once everything is made."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from undertow.api.diagnose import diagnose, report_of
from undertow.core.record import Record
from undertow.core.run import Run
from undertow.instrument.watch import Watch
from undertow.nn.optimizer import facts
from undertow.nn.threads import single_threaded, small
from undertow.preflight import guarded
from undertow.train.checkpoint import load as checkpoint
from undertow.train.fit import Each, Job, fit
from undertow.train.length import going_on
from undertow.train.objective import unlike
from undertow.train.ranks import digest, refuse, written

__all__ = ["trained"]


def trained(
    job: Job,
    each: Each = lambda _s, _e: None,
    on_finding: Callable[[Any], object] | None = None,
    options: str | None = None,
) -> Run:
    """Run a job under the watch; the report is written into its folder.

    Args:
        job: what is trained.
        each: told every step and its evaluation.
        on_finding: told a finding when there is one.
        options: of the model and training as typed, for the commands the report shows.

    Raises:
        UsageError: a resume whose new length is below the steps already taken.
    """
    if job.ranks.world > 1:
        refuse(job.net)
    values = job.choices.batch * job.train.x[0].numel()
    single = small(job.net, values)
    if job.resume:
        job = going_on(job, checkpoint(job.folder)[1])
    with guarded(job.seed), single_threaded(single):
        job = replace(job, about={**job.about, "threads": torch.get_num_threads()})
        watch = _watch(job, on_finding, options) if job.ranks.first else None
        run = fit(job, watch, each)
    if job.ranks.world > 1:
        last = run.metrics[-1] if run.metrics else None
        told = {
            "status": "interrupted" if run.interrupted else "done",
            "step": last.step + 1 if last else 0,
            "loss": str(last.loss) if last else None,
            "weights": digest(job.net),
        }
        written(job.folder, job.ranks.rank, told)
    if not job.ranks.first:
        return run
    diagnose(job.folder).to_html(job.folder / "report.html")
    return run


def _transfer(job: Job) -> tuple[tuple[str, str], ...]:
    """What trains from when on; after how many steps a head that trains alone is judged."""
    alone = (("head alone", f"{job.head_alone} steps"),) if job.head_alone else ()
    weights = (("weights", job.choices.weights),) if job.choices.weights else ()
    return (*weights, *((("schedule", " · ".join(job.schedule)),) if job.schedule else ()), *alone)


def _watch(job: Job, on_finding: Callable[[Any], object] | None, options: str | None) -> Watch:
    typed = () if options is None else (("options", options),)
    head = Record(
        kind="run",
        source=job.about["asked"]["model"] if job.about.get("asked") else "module",
        plan=job.plan,
        optimizer=facts(job.optimizer, job.choices.clip_norm),
        facts=(
            *typed,
            ("data", job.train.name),
            ("fingerprint", job.train.fingerprint),
            ("samples", str(len(job.train.x))),
            ("batch", str(job.choices.batch)),
            ("seed", str(job.seed)),
            ("torch", torch.__version__),
            *_transfer(job),
        ),
        notes=unlike(job.choices),
    )
    return Watch(
        job.net,
        optimizer=job.optimizer,
        loss=job.loss_fn,
        run=job.folder,
        judge=report_of,
        on_finding=on_finding,
        head=replace(head, loss=str(job.choices.loss or ""), static=job.static),
        told=True,
        start=checkpoint(job.folder)[1]["step"] if job.resume else None,
    )
