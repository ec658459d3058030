"""UT206: silent where modes differ for the usual reasons, heard where a net itself does."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import undertow as ut
from undertow.preflight import make_case
from undertow.preflight.gap import eval_gap

X, Y = torch.randn(8, 6, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


class Functional(nn.Module):
    """Drops by function."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        return F.dropout(self.fc(x), 0.5, training=self.training)


class Doubled(Functional):
    """Its evaluation differs by a factor."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        return self.fc(x) if self.training else 1.1 * self.fc(x)


class Failing(Functional):
    """Cannot be evaluated."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        if not self.training:
            raise RuntimeError("no table yet")
        out: Tensor = self.fc(x)
        return out


def normed() -> nn.Module:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for _ in range(10):
        parts += [nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*parts, nn.Linear(6, 3))


@pytest.mark.parametrize("make", [normed, Functional])
def test_fresh_norms_and_dropout_are_no_gap(make: type[nn.Module]) -> None:
    assert not list(eval_gap(make_case(make(), (X, Y))))


def test_a_norm_called_twice_evaluates_otherwise() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.fc = nn.BatchNorm1d(6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            """(N, 6) -> (N, 3)."""
            out: Tensor = self.fc(self.norm(3 * self.norm(x) + 5))
            return out

    (note,) = eval_gap(make_case(Twice(), (X, Y)))
    assert note.name == "eval-gap"


def test_the_gap_is_the_share_of_the_output() -> None:
    (note,) = eval_gap(make_case(Doubled(), (X, Y)))
    assert note.evidence[0].value == pytest.approx(0.1, rel=1e-4)
    assert note.note


def test_a_net_that_cannot_be_evaluated_is_told() -> None:
    (note,) = eval_gap(make_case(Failing(), (X, Y)))
    assert "no table yet" in note.says


def test_the_report_has_it_as_a_note_and_the_net_is_left_alone() -> None:
    net = Doubled().eval()
    report = ut.check(net, (X, Y), probe_steps=5, counterfactuals=False)
    assert any("UT206" in n for n in report.diagnosis.notes)
    assert not any(s.id == "UT206" for s in report.symptoms)
    assert not net.training
