"""Where a foreign loop's loss comes from: its criterion, the user's word, or `backward` itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from undertow.instrument.constant import Loss, const_loss
from undertow.instrument.facts import FirstBatch, output
from undertow.instrument.lossfn import Called, LossMode, leads_to, loss_scale
from undertow.instrument.trace import Hook, insert, withdraw
from undertow.nn.loss import criterion as criterion_of
from undertow.nn.loss import word_of

LABELS = 4096  # samples whose labels are kept: a class prior is then within .01 or so
VALUES = 2**18  # label values kept at most, where a label is a picture


def number(value: Tensor | float) -> Tensor | float:
    """A loss as a number where that costs nothing, else a copy left on its device."""
    if isinstance(value, float):
        return value
    if not isinstance(value, Tensor):
        return float(value)
    return value.item() if value.is_cpu else value.detach().clone()


class Labels:
    """The first few thousand labels seen, and the best constant answer's loss on them."""

    def __init__(self, loss: Loss | str | None) -> None:
        self._loss = loss
        self.word = word_of(loss)
        self._latest: Tensor | None = None
        self._seen: list[Tensor] = []
        self._count, self._batch = 0, 0
        self._known: tuple[int, float | None] = (0, None)

    def learn(self, call: Called) -> None:
        """Keep the labels of a loss function's call, and which function it was."""
        if self._loss is None or not self._count:
            self._loss = call.loss
        self.word = word_of(call.loss) if call.whole else ""
        self.add(call.labels)

    def add(self, labels: Any) -> None:
        """Keep a batch's labels while there is room; anything but a tensor is passed over."""
        self._latest = labels if isinstance(labels, Tensor) else None
        if self._count >= LABELS or not isinstance(labels, Tensor):
            return
        if not labels.ndim or not labels.numel():
            return
        self._batch = self._batch or len(labels)
        room = min(LABELS, VALUES // labels[0].numel()) - self._count
        if room > 0 and (not self._seen or labels.shape[1:] == self._seen[0].shape[1:]):
            self._seen.append(labels.detach()[:room].clone())
            self._count += len(self._seen[-1])

    def taken(self) -> Tensor | None:
        """Those of the last batch, once: the next step's are not known yet."""
        latest, self._latest = self._latest, None
        return latest

    @property
    def first(self) -> Tensor | None:
        """Those of the first batch seen."""
        return self._seen[0] if self._seen else None

    def clear(self) -> None:
        """Forget them."""
        self._seen, self._count, self._known = [], 0, (0, None)

    def constant(self, outputs: tuple[int, ...] | None) -> float | None:
        """The best constant answer's loss on what was seen; None where it cannot be known.

        Args:
            outputs: the shape of the net's output.
        """
        if not self._count or outputs is None:
            return None
        if self._known[0] != self._count:
            seen = torch.cat(self._seen)
            loss_fn, _ = criterion_of(self._loss, seen)
            like = torch.empty(outputs, device=seen.device)
            value = const_loss(loss_fn, like, seen)
            if value is not None and getattr(loss_fn, "reduction", "mean") == "sum":
                value *= self._batch / self._count
            self._known = self._count, value
        return self._known[1]


class Losses:
    """The losses of the step being taken, from the best source there is, and the labels seen.

    A criterion module is hooked and tells every loss. Without one, the scalar that `backward` is
    called on is caught while `listen` lasts (sampled steps and the last ones before a verdict: the
    mode slows every call a little),
    and the loss function that made it, which knows the labels.
    Once the user tells a loss, nothing else counts.

    Args:
        loss: the criterion, its word, or None.
        guard: a context in which a fault of ours becomes a note, entered anew each time.
        tapped: `backward` itself is tapped (`tap`) and tells every loss.
        told: the loop tells every loss after its step, from the first on.
        batch: is shown the first outputs that a loss is taken of.
    """

    def __init__(
        self,
        loss: Loss | str | None,
        guard: AbstractContextManager[object],
        *,
        tapped: bool = False,
        told: bool = False,
        batch: FirstBatch | None = None,
    ) -> None:
        self.labels = Labels(loss)
        self._batch = batch or FirstBatch()
        self.pending: list[Tensor | float] = []
        self.seen, self.last_known = False, False
        self._criterion = loss if isinstance(loss, nn.Module) else None
        self._guard, self._told = guard, told
        self._listening = False
        self._modes: list[TorchFunctionMode] = [LossMode(self._called)]
        if not tapped:
            self._modes.append(_BackwardMode(self.tap))
        self._call: Called | None = None
        self._share: Tensor | float = 1.0
        self._handle: RemovableHandle | None = None

    def attach(self) -> None:
        """Hook the criterion, if it is a module."""
        if self._criterion is not None and self._handle is None and not self._told:
            self._handle = self._criterion.register_forward_hook(Hook(self._hooked))

    def detach(self) -> None:
        """Take every hook off."""
        self.rest()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def listen(self) -> None:
        """Catch what `backward` is called on, where there is no better source."""
        self.rest()
        if self._criterion is None and not self._told:
            self._listening = True
            for mode in self._modes:
                insert(mode)

    def rest(self) -> None:
        """Stop catching."""
        if self._listening:
            self._listening = False
            for mode in self._modes:
                withdraw(mode)

    def tell(
        self, value: Tensor | float, labels: Any, *, waiting: list[Tensor | float] | None
    ) -> bool:
        """The user tells a loss; whether it belongs to the step before.

        Args:
            value: the loss.
            labels: what it was computed on.
            waiting: the losses of the step that is over and not yet kept; None: there is none.
        """
        first, self._told, self.seen = not self._told, True, True
        if first:
            self.labels.clear()
        self.labels.add(labels)
        if first and self.pending:  # the same loss, seen on its way
            self.pending = [value]
        elif waiting is not None and (first or not waiting):
            return True
        elif not (first and self.last_known):
            self.pending.append(value)
        return False

    @property
    def simple(self) -> bool:
        """Whether one loss is known of the step, and is a number."""
        return len(self.pending) == 1 and isinstance(self.pending[0], float)

    def taken(self) -> list[Tensor | float]:
        """The losses of the step that ends now."""
        losses, self.pending = self.pending, []
        return losses

    def _hooked(self, module: nn.Module, inputs: tuple[Any, ...], loss: Any) -> None:
        with self._guard:
            if self._batch.open and len(inputs) > 1 and isinstance(inputs[0], Tensor):
                self._batch.leaves(word_of(module), output(inputs[0]), inputs[1])
            if isinstance(loss, Tensor) and self._wanted(loss):
                self.labels.add(inputs[1] if len(inputs) > 1 else None)
                self.pending.append(number(loss))

    def tap(self, loss: Tensor) -> None:
        """`backward` is about to run on a scalar: the step's loss, without a loss scaler's factor.

        Where a loss function made it and only numbers scaled it since (a share of an accumulated
        step), that function's own value counts, and the same share from then on.
        """
        with self._guard, torch._C.DisableTorchFunction():
            if not self._wanted(loss):
                return
            scale, found = loss_scale(loss), number(loss)
            value = found if scale is None else found / number(scale)
            call, self._call = self._call, None
            if call is not None and leads_to(loss, call.result):
                self.labels.learn(call)
                self._batch.leaves(self.labels.word, call.outputs, call.labels)
                self._share = call.value / value if not _is_zero(value) else 1.0
            elif call is not None:
                self._share = 1.0
            self.pending.append(value * self._share)

    def forget(self) -> None:
        """The losses pending are of another net's step."""
        self.pending = []

    def _called(self, call: Called) -> None:
        self._call = call

    def _wanted(self, loss: Tensor) -> bool:
        wanted = not self._told and loss.requires_grad and loss.numel() == 1
        self.seen = self.seen or wanted
        return wanted


def _is_zero(value: Tensor | float) -> bool:
    """Whether a number is 0; not asked of a tensor on a device, which would wait for it."""
    return isinstance(value, float) and value == 0


class _BackwardMode(TorchFunctionMode):
    def __init__(self, told: Callable[[Tensor], None]) -> None:
        super().__init__()
        self._told = told

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.backward and args:
            self._told(args[0])
        return func(*args, **(kwargs or {}))


def mean(values: list[Tensor | float]) -> float | None:
    """The mean of the losses of a step's micro-batches; None for none."""
    if len(values) < 2:
        return float(values[0]) if values else None
    return sum(map(float, values)) / len(values)
