"""What the tracer tells, in which order, and what it leaves behind: nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from undertow.instrument.trace import Call, Hook, Tracer, insert, withdraw

from .loops import hooks_of


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, inputs: tuple[Any, ...]) -> None:
        """One word."""
        self.told.append("began")

    def ended(self, output: Any) -> None:
        """One word."""
        self.told.append("ended")

    def layer(self, call: Call) -> None:
        """Its path and number."""
        self.told.append(f"{call.path}.{call.number}")

    def norm(self, word: str, call: Call | None) -> None:
        """Its word."""
        self.told.append(f"{word}@{call.path if call else '()'}")

    def act(self, word: str, path: str, output: Tensor, again: bool) -> None:
        """Its word and path."""
        self.told.append(f"{word}@{path or '()'}")

    def failed(self, where: str, error: Exception) -> None:
        """The error."""
        self.told.append(f"{where}: {error}")


class Mixed(nn.Module):
    """Modules and functions, a norm as a function, a layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.act = nn.Linear(4, 4), nn.LayerNorm(4), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4) -> (N, 4)."""
        x = self.act(self.norm(self.a(x)))
        return F.gelu(F.layer_norm(self.a(x), (4,)))


def traced(net: nn.Module, passes: int = 1) -> list[str]:
    log = Log()
    tracer = Tracer(net, log)
    for _ in range(passes):
        tracer.attach()
        net(torch.ones(2, 4))
        tracer.detach()
    assert not tracer.attached
    assert hooks_of(net) == 0
    return log.told


def test_calls_are_told_in_order_each_once() -> None:
    once = ["began", "a.1", "layer@norm", "tanh@act", "a.2", "layer@()", "gelu@()", "ended"]
    assert traced(Mixed(), 2) == once + once


def test_the_mode_is_left_out_once_no_function_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(
        "undertow.instrument.trace.insert", lambda m: (counted.append(m), insert(m))
    )
    plain = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.GELU(), nn.Linear(4, 4))
    words = ["began", "0.1", "relu@1", "gelu@2", "3.1", "ended"]
    assert traced(plain, 3) == words * 3
    assert len(counted) == 1
    counted.clear()
    traced(Mixed(), 3)
    assert len(counted) == 3


def test_functions_inside_a_known_module_are_its_own() -> None:
    assert traced(nn.Sequential(nn.Linear(4, 4), nn.Softsign(), nn.LogSigmoid())) == [
        "began",
        "0.1",
        "tanh@1",
        "@2",
        "ended",
    ]


def test_a_forward_that_raises_leaves_no_mode() -> None:
    net = nn.Sequential(nn.Linear(4, 4))
    tracer = Tracer(net, Log())
    tracer.attach()
    with pytest.raises(RuntimeError, match="mat1"):
        net(torch.ones(2, 7))
    assert torch.overrides._len_torch_function_stack() == 0
    tracer.detach()


def test_hooks_do_not_travel() -> None:
    import copy
    import pickle

    seen: list[int] = []
    hook = Hook(lambda *_: seen.append(1))
    hook(1, 2)
    copy.deepcopy(hook)(1)
    pickle.loads(pickle.dumps(hook))(1)
    assert seen == [1]


class Mode(TorchFunctionMode):
    """A mode of the user's."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass on."""
        return func(*args, **(kwargs or {}))


def test_a_mode_is_put_below_and_taken_out_of_the_middle() -> None:
    ours, stack = Mode(), torch.overrides._get_current_function_mode_stack
    with Mode() as user:
        insert(ours)
        assert stack() == [ours, user]
        with Mode() as second:
            withdraw(ours)
            assert stack() == [user, second]
            insert(ours)
    assert stack() == [ours]
    withdraw(ours)
    withdraw(ours)
    assert stack() == []
