"""What ends a net behind its last layer is taken off, as a module or as a function."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.nn.ending import end_with
from undertow.nn.layout import layout

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


class Functional(nn.Module):
    """Its softmax and its hidden sigmoid are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Shares of 2 classes."""
        return F.softmax(self.fc2(torch.sigmoid(self.fc1(x))), dim=1)


def hidden(net: Functional) -> Tensor:
    return net.fc2(net.fc1(X).sigmoid())


@pytest.mark.parametrize("end", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid(), nn.ReLU()])
def test_a_module_behind_the_head_goes(end: nn.Module) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2), end)
    logits = net[:3](X)
    end_with(net, "logits", layout(net))
    assert torch.equal(net(X), logits)
    assert isinstance(net[1], nn.Sigmoid)


def test_a_function_behind_the_head_is_passed_by_and_one_before_it_is_not() -> None:
    net = Functional()
    end_with(net, "logits", layout(net))
    for made in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(made(X), hidden(net))
    assert torch.equal(F.softmax(X, 1).sum(1).round(), torch.ones(5))  # outside all is as ever


def test_shares_of_one_unit_become_a_sigmoid() -> None:
    net = nn.Sequential(nn.Linear(3, 1), nn.Softmax(1))
    end_with(net, "sigmoid", layout(net))
    assert torch.equal(net(X), torch.sigmoid(net[0](X)))


def test_a_head_is_given_an_output_a_class() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.Softmax(1))
    state = torch.get_rng_state()
    end_with(net, "logits:3", layout(net))
    assert net(X).shape == (5, 3)
    assert torch.equal(torch.get_rng_state(), state)
    end_with(net, "outputs:6", layout(net))  # nothing but that
    assert (net(X).shape, type(net[3])) == ((5, 6), nn.Identity)
    squashed = nn.Sequential(nn.Linear(3, 4), nn.Softmax(1))
    end_with(squashed, "outputs:2", layout(squashed))
    assert torch.allclose(squashed(X).sum(1), torch.ones(5))
    for word in ("probabilities", "outputs"):
        with pytest.raises(UsageError, match="is no ending"):
            end_with(net, word, layout(net))
