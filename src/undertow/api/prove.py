"""`ut.prove`: a paired trial of any two builders."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor

from torch import nn
from torch.optim import Optimizer

from undertow.api.repair import parts, sourced
from undertow.core.errors import UsageError
from undertow.core.verdict import Verdict
from undertow.experiment.effect import Arms, verdict
from undertow.experiment.pair import Source, Task, paired
from undertow.preflight import Deadline

__all__ = ["prove"]

APART = 1000  # added to a seed for the decoy's draw: other weights, the same batches


def prove(
    build_a: Callable[..., nn.Module],
    build_b: Callable[..., nn.Module],
    data: object,
    loss: object = None,
    *,
    step: None = None,
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None = None,
    validation: object = 0.2,
    steps: int = 300,
    seeds: int = 3,
    budget_s: float = 120,
    executor: Executor | None = None,
) -> Verdict:
    """Whether the second network trains better than the first, by paired training.

    Both are trained on the same batches with the same seeds, and so is a decoy: the first network
    with other initial weights. The words are those of a repair, with `build_a` as the control.

    Args:
        build_a: returns a fresh network; takes nothing or a seed.
        build_b: likewise.
        data: (x, y) tensors, or an iterable of such batches (read into memory).
        loss: a loss word or callable(outputs, targets); None as in `check`.
        step: not taken yet: batches must be (x, y).
        optimizer: (params) -> Optimizer; None is SGD with momentum .9 and rate .02.
        validation: held-back data, or the share to hold back.
        steps: optimiser steps of each trial.
        seeds: trials an arm; fewer than 3 show nothing.
        budget_s: seconds; where they are over between two seeds, the verdict is `not-shown`.
        executor: where trials run; None is a pool of processes of one thread.

    Raises:
        UsageError: data or a network that cannot be run, or `step` given.
    """
    if step is not None:
        raise UsageError("prove takes (x, y) batches only, so far; step= belongs to check")
    kept, held = parts(data, validation)
    a, b = (sourced(f, optimizer, loss) for f in (build_a, build_b))
    deadline = Deadline(budget_s)

    def tasks(arm: str, source: Source, apart: int) -> list[Task]:
        return [Task(arm, s, source, (), kept, held, steps, draw=s + apart) for s in range(seeds)]

    arms = (
        ("control", a, 0),
        (getattr(build_b, "__name__", "build_b"), b, 0),
        ("decoy: drawn again", a, APART),
    )
    done = [() if deadline.over else paired(tasks(*arm), executor=executor) for arm in arms]
    return verdict(Arms(*done), arms[1][0], (), cut=not all(done))
