"""Where steps begin and end, as the optimisers tell."""

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from undertow.instrument.steps import StepHooks


class Net(nn.Module):
    """Two parts with an optimiser each."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(1, 1), nn.Linear(1, 1)
        self.one, self.two = SGD(self.a.parameters(), lr=0.1), SGD(self.b.parameters(), lr=0.1)


def told(net: Net, given: tuple[Optimizer, ...], order: str) -> str:
    """Run steps of optimisers 1, 2 and 3 (a stranger's); b = before, a = after, l = late after."""
    out: list[str] = []
    stranger = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    hooks = StepHooks(
        net, given, lambda _: out.append("b"), lambda late: out.append("l" if late else "a")
    )
    hooks.attach()
    for which in order:
        {"1": net.one, "2": net.two, "3": stranger}[which].step()
    hooks.detach()
    net.one.step()
    return "".join(out)


def test_one_optimiser() -> None:
    net = Net()
    assert told(net, (net.one,), "111") == "bababa"
    assert told(net, (), "131311") == "babababa"


def test_two_optimisers_in_turn() -> None:
    net = Net()
    assert told(net, (net.one, net.two), "1212") == "baba"
    assert told(net, (), "121212") == "bababa"


def test_one_that_steps_more_often_ends_the_step_as_it_begins_again() -> None:
    net = Net()
    assert told(net, (net.one, net.two), "1112111") == "blblba" + "blblb"


def test_nothing_is_left_behind() -> None:
    net = Net()
    told(net, (net.one,), "1")
    assert not net.one._optimizer_step_pre_hooks
    assert not net.one._optimizer_step_post_hooks
