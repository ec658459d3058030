"""What is known of a run besides its series: as run.json holds it."""

from collections.abc import Sequence
from dataclasses import replace

from torch.optim import Optimizer

from undertow.core.codec import rounded
from undertow.core.record import Cell, Record, Scalars
from undertow.instrument.guard import Guard
from undertow.instrument.losses import Losses
from undertow.instrument.probe import Probe
from undertow.nn.optimizer import facts
from undertow.record.schema import as_written

TREND = "progress judged by trend"
UNSTEPPED = "no optimiser of this net has stepped yet, so nothing can be judged"
UNSEEN = "layers not measured: no call of the net was seen; watch the module that training calls"


class Head:
    """The record without its series: given facts, optimiser, constant answer, notes.

    Args:
        base: what is known beforehand; it wins over what is found.
        probe: knows the output's shape and where non-finite values came from.
        losses: know the labels.
        guard: holds the notes, and makes them of faults.
    """

    def __init__(self, base: Record, probe: Probe, losses: Losses, guard: Guard) -> None:
        self._base = as_written(base)
        self._probe, self._losses, self._guard = probe, losses, guard
        self.const_loss: Cell = self._base.const_loss
        self.stepped = False  # whether an optimiser of the net did

    def optimizer(self, optimizer: Optimizer) -> None:
        """The training's optimiser, where none was given."""
        if not self._base.optimizer.name:
            self._base = as_written(replace(self._base, optimizer=facts(optimizer)))

    def written(
        self, steps: int, metrics: Sequence[Scalars], before: Record | None = None
    ) -> Record:
        """As run.json would hold it after this many steps, of which these are known.

        What a run that goes on has not seen again yet (a batch, its labels, the layers) stays as
        it stood `before`.
        """
        origin = self._probe.origin
        came = () if origin is None else (("origin", " ".join(map(str, origin))),)
        old = before or Record()
        self._find_constant(old.const_loss)
        first, batch = self._base.first_loss, self._probe.batch
        if first is None and metrics:
            first = metrics[0].loss
        seen = as_written(batch.facts(self._losses.labels.first, self._probe.output_shape))
        static = (*self._base.static, *as_written(batch.static))
        return replace(
            self._base,
            const_loss=self.const_loss,
            first_loss=first,
            loss=self._base.loss or self._losses.labels.word or old.loss,
            input=seen if seen.shape else old.input,
            static=static if seen.shape else tuple(dict.fromkeys((*static, *old.static))),
            notes=(*self._base.notes, *self._said(steps, layers=bool(old.layers))),
            facts=(*self._base.facts, *came),
        )

    def _find_constant(self, old: Cell) -> None:
        """That of the labels seen; `old`, which an earlier sitting found, where none were yet."""
        if self._base.const_loss is not None:
            return
        self.const_loss = None
        with self._guard:
            found = self._losses.labels.constant(self._probe.output_shape)
            self.const_loss = old if found is None else rounded(found)

    def _said(self, steps: int, *, layers: bool) -> tuple[str, ...]:
        """Notes; `layers` says that an earlier sitting measured them."""
        said = [*self._guard.notes, *self._probe.notes]
        if not steps or (steps == 1 and not self.stepped):  # the step that an end cut off
            said.append(UNSTEPPED)
        if steps > 1 and not self._probe.layers and not layers:
            said.append(UNSEEN)
        if self.const_loss is None and steps:
            why = "no labels seen" if self._losses.seen else "no loss seen"
            said.append(f"{TREND}: {why}; give loss= or call w.loss(value, labels)")
        return tuple(said)
