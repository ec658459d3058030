"""Parts of nets: in the order they run, whatever order they were written in."""

import pytest
import torch
from torch import Tensor, nn

from undertow.models import build, card
from undertow.models.card import Card
from undertow.models.parts import parts
from undertow.nn.parts import HEAD, by_children, places


class Backwards(nn.Module):
    """Written last to first; a token of its own, a list, a child for training only."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(2)])
        self.norm = nn.LayerNorm(4)
        self.stem = nn.Linear(5, 4)
        self.extra = nn.Linear(4, 3)
        self.token = nn.Parameter(torch.zeros(5))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 5) -> (N, 3)."""
        x = self.norm(self.stem(x + self.token))
        for block in self.blocks:
            x = block(x)
        if self.training:
            self.extra(x)
        out: Tensor = self.fc(self.drop(x))
        return out


def test_children_are_parts_in_the_order_they_run() -> None:
    found = {part.name: part for part in by_children(Backwards(), torch.randn(2, 5))}
    assert list(found) == ["stem", "blocks.0", "blocks.1", HEAD]
    assert found["stem"].modules == ("stem", "norm")
    assert found["stem"].parameters[-2:] == ("stem.weight", "stem.bias")
    assert set(found["stem"].parameters) >= {"token", "norm.weight"}
    assert found[HEAD].modules == ("drop", "fc", "extra")
    assert {n.partition(".")[0] for n in found[HEAD].parameters} == {"fc", "extra"}


def test_a_wrapper_is_looked_into() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net(x)
            return out

    assert [p.name for p in by_children(Wrapped(), torch.randn(2, 3))] == ["net.0", HEAD]
    (only,) = by_children(nn.Linear(3, 2), torch.randn(2, 3))
    assert (only.name, only.parameters) == (HEAD, ("weight", "bias"))


def test_a_tied_weight_is_of_the_part_nearest_the_input() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    net[0].weight = net[2].weight
    first, head = by_children(net, torch.randn(2, 3))
    assert first.parameters == ("0.weight", "0.bias")
    assert head.parameters == ("2.bias",)


@pytest.mark.parametrize(
    ("name", "side", "given"),
    [
        ("cifar_resnet20", 32, {}),
        ("resnet18", 32, {}),
        ("googlenet", 32, {"aux": 2}),
        ("inception_v3", 75, {}),
        ("alexnet", 64, {}),
    ],
)
def test_zoo_nets_have_their_cards_stages(name: str, side: int, given: dict[str, int]) -> None:
    net = build(name, classes=3, **given)
    found = parts(net, torch.randn(1, 3, side, side))
    mine: Card = card(name)
    assert tuple(p.name for p in found) == (*mine.stages, HEAD)
    held = [key for part in found for key in part.parameters]
    assert sorted(held) == sorted(k for k, _ in net.named_parameters())
    heads: tuple[str, ...] = net.heads  # type: ignore[assignment]
    assert {f"{path}.weight" for path in heads} <= set(found[-1].parameters)
    modules = [path for part in found for path in part.modules]
    assert len(modules) == len(set(modules))


def test_looking_leaves_the_net_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    modes = [m.training for m in net.modules()]
    assert places(net, torch.randn(4, 3))["0"] == 1
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_pre_hooks for m in net.modules())
