"""The first batch of a watched loop: its scale, its labels, and the head that its loss shows."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.api.watch import watch
from undertow.core.record import Record
from undertow.instrument.facts import FirstBatch, output, scale_of

torch.manual_seed(0)
X = 100 + 20 * torch.randn(16, 6)
Y = torch.arange(16) % 4


def trained(net: nn.Module, criterion: nn.Module, x: Tensor, steps: int = 3) -> Record:
    """The record of a short watched loop."""
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    with watch(net, optimizer=opt, loss=criterion) as w:
        for _ in range(steps):
            opt.zero_grad()
            criterion(net(x), Y).backward()
            opt.step()
    return w.record


def test_a_run_knows_the_scale_of_its_features() -> None:
    """Root mean square and classes of the first batch, by plain sums in float64."""
    found = trained(nn.Linear(6, 4), nn.CrossEntropyLoss(), X).input
    assert found.shape == (16, 6)
    assert found.rms == pytest.approx(math.sqrt(X.double().square().mean()), rel=1e-5)
    assert (found.classes, found.output_classes) == (4, 4)


def test_a_stuck_net_on_raw_features_is_told_so() -> None:
    """The finding of a check is that of a run: raw features, and the remedy that answers them."""
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    torch.manual_seed(1)
    opt = torch.optim.SGD(net.parameters(), lr=1.0)
    criterion = nn.CrossEntropyLoss()
    with watch(net, optimizer=opt, loss=criterion) as w:
        for _ in range(101):
            opt.zero_grad()
            criterion(net(X), Y).backward()
            opt.step()
    assert w.report().mechanism == "input-scale"
    assert w.report().remedies[0].name == "standardise-input"


def test_a_softmax_before_cross_entropy_is_found_in_a_run() -> None:
    """The criterion's own input is looked at; a net whose loss takes logits stays silent."""
    doubled = trained(nn.Sequential(nn.Linear(6, 4), nn.Softmax(1)), nn.CrossEntropyLoss(), X)
    assert [s.id for s in doubled.static] == ["UT201"]
    assert trained(nn.Linear(6, 4), nn.CrossEntropyLoss(), X).static == ()


def test_probabilities_beside_logits_are_no_mismatch() -> None:
    """A net that returns a softmax first and trains on its logits is not accused."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            z = self.inner(x)
            return F.softmax(z, 1), z

    net, criterion = Both(), nn.CrossEntropyLoss()
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    with watch(net, optimizer=opt, loss=criterion) as w:
        criterion(net(X)[1], Y).backward()
        opt.step()
    assert w.record.static == ()


def test_only_the_first_batch_counts() -> None:
    """Later batches change nothing; ids have a shape and no scale."""
    batch = FirstBatch()
    batch.enters(torch.ones(2, 3))
    batch.enters(torch.full((2, 3), 9.0))
    assert batch.facts(None, None).rms == 1
    assert scale_of(torch.ones(2, 3, dtype=torch.long)).rms is None
    batch.leaves("cross-entropy", output(torch.randn(4, 1, requires_grad=True) * 1), Y[:4])
    batch.leaves("cross-entropy", output(torch.randn(4, 3)), Y[:4])
    assert [s.id for s in batch.static] == ["UT201"]
