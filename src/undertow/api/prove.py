"""`ut.prove`: a paired trial of any two builders."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from undertow.api.repair import alike, parts, sourced
from undertow.api.trials import limited, runs
from undertow.core.verdict import Verdict
from undertow.experiment.effect import Arms, verdict
from undertow.experiment.pair import Source, Task, paired
from undertow.experiment.trials import Trials, base_of, told_if_few
from undertow.preflight import Deadline

__all__ = ["prove"]

APART = 1000  # added to a seed for the decoy's draw: other weights, the same batches


def prove(
    build_a: Callable[..., nn.Module],
    build_b: Callable[..., nn.Module],
    data: object,
    loss: object = None,
    *,
    step: Callable[[nn.Module, Any], Tensor] | None = None,
    optimizer: Optimizer | Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
    validation: object = 0.2,
    steps: int = 300,
    seeds: int = 3,
    budget_s: float = 120,
    executor: Executor | None = None,
) -> Verdict:
    """Whether the second network trains better than the first, by paired training.

    Both are trained on the same batches with the same seeds, and so is a decoy: the first network
    with other initial weights. The words are those of a repair, with `build_a` as the control. A
    build function that gives two seeds equal weights is told in the verdict's sentence.

    Args:
        build_a: returns a fresh network; takes nothing or a seed.
        build_b: likewise.
        data: (x, y) tensors, trained on in batches of 64; an iterable of such batches (read into
            memory), in batches as large as the first; or a path or name.
        loss: a loss word or callable(outputs, targets); None as in `check`.
        step: (net, batch) -> scalar loss, in place of forward and loss; then data may be batches
            of any structure.
        optimizer: an Optimizer or (params) -> Optimizer; None is SGD with momentum .9 and rate .02.
        validation: held-back data, or the share to hold back.
        steps: optimiser steps of each trial.
        seeds: trials an arm; fewer than 3 show nothing.
        budget_s: seconds; trials that have not begun by then are left out, and the verdict is
            `not-shown`.
        executor: where trials run; None is a pool of processes of one thread.

    Raises:
        UsageError: data, a loss or a network that cannot be run or compared.
    """
    limited(steps, seeds, budget_s, executor)
    kept, held, batch = parts(data, validation, whole=step is not None)
    a, b = (sourced(f, optimizer, loss, step, batch) for f in (build_a, build_b))
    for source in (a, b):
        runs(source, kept)
    how = Trials(kept, held, steps, tuple(range(seeds)), Deadline(budget_s), executor)
    name = getattr(build_b, "__name__", "build_b")
    said = told_if_few(verdict(_arms(a, b, name, how), name, ()), how)
    told = [f"{n}: {line}" for n, s in (("a", a), ("b", b)) for line in alike(s, how)]
    return replace(said, why="; ".join((said.why, *told)))


def _arms(a: Source, b: Source, name: str, how: Trials) -> Arms:
    """Control, treated and decoy, trained together."""
    base = base_of(a, how)
    arms = (("control", a, 0), (name, b, 0), ("decoy: drawn again", a, APART))
    tasks = [
        Task(arm, s, source, (), how.train, how.held, how.steps, s + apart, base)
        for arm, source, apart in arms
        for s in how.seeds
    ]
    left = how.deadline
    done = paired(tasks, executor=how.executor, left=lambda: left.left)
    n = len(how.seeds)
    control, treated, decoy = (done[i * n : (i + 1) * n] for i in range(len(arms)))
    return Arms(control, treated, decoy)
