"""Kept still: eval mode through any later `train()`; gradients for the named ones alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.nn.freezing import Still, train_only


class Block(nn.Module):
    """Drops out by its own mode, as much published code does."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 6)."""
        return F.dropout(self.norm(x), 0.5, self.training)


def make() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 6), Block(), nn.Dropout(0.5), nn.Linear(6, 2))


def test_train_does_not_wake_what_is_kept_still() -> None:
    net, x = make(), torch.randn(8, 6)
    still = Still(net)
    still.keep({"0", "1.norm", "2"})
    before = {k: v.clone() for k, v in net.state_dict().items()}
    outs = []
    for _ in range(10):
        net.train()
        outs.append(net[:3](x))
    assert all(torch.equal(out, outs[0]) for out in outs)  # no dropout, also in the block's code
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert int(net[1].norm.num_batches_tracked) == 0  # type: ignore[union-attr, arg-type]


def test_what_is_let_go_takes_the_mode_of_the_net() -> None:
    net = make().train()
    still = Still(net)
    still.keep({"1.norm", "2"})
    assert not net[1].training
    still.keep({"2"})
    assert net[1].training
    assert not net[2].training
    net.eval()
    still.keep(())
    assert not net[2].training
    net.train()
    assert not torch.equal(*(net[:3](torch.ones(8, 6)) for _ in range(2)))
    assert not any(m._forward_pre_hooks for m in net.modules())


def test_only_the_named_have_gradients() -> None:
    net = make()
    net(torch.randn(8, 6)).sum().backward()
    train_only(net, {"3.weight"})
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["3.weight"]
    assert [n for n, p in net.named_parameters() if p.grad is not None] == ["3.weight"]
