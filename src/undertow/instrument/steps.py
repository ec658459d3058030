"""Where one training step ends and the next begins, told by the optimisers themselves."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from undertow.instrument.trace import Hook


class StepHooks:
    """Calls `before` as a step's first optimiser is about to move, `after` when all have.

    With several optimisers a step is over when each has stepped once, or when one of them begins
    again (then `after(late=True)`: its backward pass has already run). With none given, every
    optimiser that holds a parameter of the net counts; one that is first seen after another's
    step belongs to that step.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizers: Sequence[Optimizer],
        before: Callable[[Optimizer], None],
        after: Callable[[bool], None],
    ) -> None:
        self._net, self._given = net, tuple(optimizers)
        self._before, self._after = before, after
        self._known = {id(o) for o in self._given}
        self._alone = len(self._given) == 1
        self._stepped: set[int] = set()
        self._mine: dict[int, bool] = {}
        self._refs: dict[int, weakref.ref[Optimizer]] = {}
        self._handles: list[RemovableHandle] = []
        self._first: RemovableHandle | None = None  # the pre-hook of an optimiser alone

    def attach(self) -> None:
        """Put the hooks on the given optimisers, or on all there are; once."""
        if self._handles:
            return
        pre, post = Hook(self._pre), Hook(self._post)
        if self._alone:
            self.wake()
            self._handles.append(self._given[0].register_step_post_hook(post))
        elif self._given:
            for optimizer in self._given:
                self._handles.append(optimizer.register_step_pre_hook(pre))
                self._handles.append(optimizer.register_step_post_hook(post))
        else:
            self._handles.append(register_optimizer_step_pre_hook(pre))
            self._handles.append(register_optimizer_step_post_hook(post))

    def detach(self) -> None:
        """Take every hook off."""
        while self._handles:
            self._handles.pop().remove()
        self.rest()
        self._stepped.clear()

    def rest(self) -> None:
        """Call `before` of an optimiser alone no more until `wake`."""
        if self._first is not None:
            self._first.remove()
            self._first = None

    def wake(self) -> None:
        """Call `before` again."""
        if self._alone and self._first is None:
            self._first = self._given[0].register_step_pre_hook(Hook(self._pre))

    def _counts(self, optimizer: Optimizer) -> bool:
        if self._given:
            return True
        key = id(optimizer)
        if key not in self._mine:
            ours = {id(p) for p in self._net.parameters()}
            held = (p for group in optimizer.param_groups for p in group["params"])
            mine = any(id(p) in ours for p in held)
            gone = weakref.ref(optimizer, lambda _: self._forget(key))  # none is kept alive
            self._refs[key], self._mine[key] = gone, mine
        return self._mine[key]

    def _forget(self, key: int) -> None:
        """An optimiser is gone: its id may come back as another's, and no step waits for it."""
        self._refs.pop(key, None)
        self._mine.pop(key, None)
        self._known.discard(key)
        self._stepped.discard(key)

    def _pre(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._alone:
            self._before(optimizer)
            return
        if not self._counts(optimizer):
            return
        key = id(optimizer)
        if key in self._stepped:
            self._stepped.clear()
            self._after(True)
        if not self._stepped and (key in self._known or not self._known):
            self._before(optimizer)

    def _post(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if self._alone:
            self._after(False)
            return
        if not self._counts(optimizer):
            return
        key = id(optimizer)
        if key not in self._known:
            alone = not self._known
            self._known.add(key)
            if not alone:
                return
        self._stepped.add(key)
        if len(self._stepped) == len(self._known):
            self._stepped.clear()
            self._after(False)
