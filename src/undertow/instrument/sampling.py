"""The sampled steps of a training: hooks on and off, rows read, and what that costs timed."""

import time

from torch import nn
from torch.optim import Optimizer

from undertow.core.record import Snapshot
from undertow.instrument.calls import is_compiled
from undertow.instrument.losses import Losses
from undertow.instrument.probe import Probe
from undertow.instrument.scaler import loss_scale_now, skips
from undertow.instrument.schedule import Schedule
from undertow.instrument.twin import Twin


class Sampler:
    """Measures the steps that a schedule asks for, and tells it what they cost.

    A compiled net is left alone and measured beside itself (`Twin`).

    Args:
        net: the module that trains, its compile wrapper included.
        probe: of the same net.
        losses: listened to while a step is sampled.
        schedule: says which steps are.
    """

    def __init__(self, net: nn.Module, probe: Probe, losses: Losses, schedule: Schedule) -> None:
        self._net, self._probe, self._twin = net, probe, Twin(net, probe)
        self._losses, self._schedule = losses, schedule
        on_cpu = all(p.device.type == "cpu" for p in net.parameters())
        self._clock = time.process_time if on_cpu else time.perf_counter
        self._sampling, self._whole = False, True
        self._mark, self._own = 0.0, 0.0
        self._scale, self._skipped = 1.0, False

    def start(self) -> None:
        """The first step begins now."""
        self._mark = self._clock()

    def prepare(self, step: int) -> None:
        """Put the hooks on where the step about to begin is to be sampled."""
        if self._sampling or not self._schedule.due(step):
            return
        began = self._clock()
        self._sampling, self._whole = True, not is_compiled(self._net)
        if self._whole:
            self._probe.attach()
        else:
            self._twin.attach()
        self._losses.listen()
        self._own += self._clock() - began

    def before(self, optimizer: Optimizer) -> None:
        """The step's first optimiser is about to move the weights."""
        if not self._sampling:
            return
        began = self._clock()
        self._scale, self._skipped = loss_scale_now(), skips(optimizer)
        if not self._whole:
            self._twin.measure()
        elif self._probe.measured:  # else the passes come inside `step(closure)`
            self._stop_hooks()
        self._probe.before_update()
        self._own += self._clock() - began

    def after(self, step: int) -> Snapshot | None:
        """The step is over: its row of numbers, if it was sampled and a layer was called in it."""
        began = self._clock()
        snapshot = self._read(step) if self._sampling else None
        if snapshot is not None:
            self._schedule.sampled(step, self._own + self._clock() - began)
        self._schedule.took(step, began - self._mark)
        self._mark, self._own = began, 0.0
        return snapshot

    @property
    def sampling(self) -> bool:
        """Whether the step being taken is sampled."""
        return self._sampling

    def passed(self, step: int, count: int = 1) -> None:
        """So many steps that were not sampled are over, this one the last."""
        now = self._clock()
        self._schedule.took(step, (now - self._mark) / count)
        self._mark, self._own = now, 0.0

    def stop(self) -> None:
        """Take every hook off."""
        self._stop_hooks()
        self._sampling = False

    def _read(self, step: int) -> Snapshot | None:
        self.stop()
        if not self._probe.measured or self._skipped:
            return None
        return self._probe.read(step, scale=self._scale)

    def _stop_hooks(self) -> None:
        self._probe.detach()
        self._twin.detach()
        self._losses.rest()
