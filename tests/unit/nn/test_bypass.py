"""Paths past the layers of a chain: where they start and end, that they travel."""

import copy
import pickle

import pytest
import torch
from torch import nn

from undertow.core.plan import Edit
from undertow.nn.blocks import skipped
from undertow.nn.bypass import over_chains
from undertow.nn.residual import zero_gamma
from undertow.nn.surgery import edited

X = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def chain(layers: int, inplace: bool = False) -> nn.Sequential:
    """A first layer that widens, then so many of one width, each with an activation behind it."""
    torch.manual_seed(0)
    parts: list[nn.Module] = [nn.Linear(3, 4), nn.ReLU(inplace)]
    for _ in range(layers):
        parts += [nn.Linear(4, 4), nn.ReLU(inplace)]
    return nn.Sequential(*parts, nn.Linear(4, 2))


@pytest.mark.parametrize("inplace", [False, True])
def test_the_sum_is_taken_before_the_activation(inplace: bool) -> None:
    own = chain(3, inplace)
    passed = over_chains(own, ("2", "4", "6"))
    assert passed == {"2", "4", "6"}
    plain = chain(3)
    h = plain[0](X)
    pair = plain[4](plain[2](h.relu()).relu()) + h
    last = plain[6](pair.relu()) + pair  # one is left: a path past it alone
    assert torch.equal(own(X), plain[8](last.relu()))
    assert skipped(own[4])
    assert not skipped(own[2])


def test_paths_travel_with_copies_and_pickles() -> None:
    own = chain(2)
    over_chains(own, ("2", "4"))
    out = own(X)
    assert torch.equal(copy.deepcopy(own)(X), out)
    assert torch.equal(pickle.loads(pickle.dumps(own))(X), out)
    own[0](X)  # a pass that ended on its way leaves a tensor with a graph behind
    assert torch.equal(copy.deepcopy(own)(X), out)


def test_what_is_no_chain_keeps_its_layers() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    own = nn.Sequential(nn.Linear(4, 4), Sum(), nn.Linear(4, 4))
    assert over_chains(own, ("0", "1.a", "1.b", "2")) == frozenset()
    flat = nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.Linear(4, 4))
    assert over_chains(flat, ("0", "2")) == frozenset()


def test_surgery_takes_chains_by_pairs_and_zero_gamma_starts_them_as_the_identity() -> None:
    made = edited(chain(4), [Edit("skip", "projection")], (), run=lambda net: net(X))
    assert [p for p, m in made.named_modules() if skipped(m)] == ["4", "8"]
    assert zero_gamma(made) == ("4", "8")
    own = chain(4)
    assert torch.equal(made(X), own[10](own[0](X).relu()))
