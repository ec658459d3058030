"""Static checks on a sick head, loss or label, each with the healthy twin that stays silent."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.core.finding import Symptom
from undertow.nn.loss import criterion
from undertow.preflight.case import make_case
from undertow.preflight.static import after_loss, alike, before_loss, input_facts, raw, symmetric

torch.manual_seed(0)
X = torch.randn(16, 6)
Y = torch.arange(16) % 4
T = torch.randn(16)


def found(net: nn.Module, y: Tensor, loss: Any = None) -> list[Symptom]:
    """Everything said of labels, head and loss."""
    case = make_case(net, (X, y), loss)
    call, _ = criterion(loss, y)
    out = net(X)
    return [*before_loss(case, out), *after_loss(case, call(out, y))]


def net(*ends: nn.Module, outputs: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, outputs), *ends)


class Detached(nn.Module):
    """Cuts the graph at its output."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        """The logits without their graph."""
        out: Tensor = self.inner(x)
        return out.detach()


class Functional(nn.Module):
    """Ends in a function rather than a module."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.inner, self.end = nn.Linear(6, 4), end

    def forward(self, x: Tensor) -> Tensor:
        """What the function makes of the logits."""
        return self.end(self.inner(x))


TARGETS = T[:, None] * 9
SICK: list[tuple[str, nn.Module, Tensor, Any, str, str]] = [
    ("softmax", net(nn.Softmax(1)), Y, None, "UT201", "already a softmax"),
    ("softmax twin", net(), Y, None, "", ""),
    ("log-softmax", net(nn.LogSoftmax(1)), Y, nn.NLLLoss(), "", ""),
    ("functional softmax", Functional(lambda v: v.softmax(1)), Y, None, "UT201", "softmax"),
    ("by hand", Functional(lambda v: v.exp() / v.exp().sum(1, True)), Y, None, "UT201", "softmax"),
    ("sigmoid", net(nn.Sigmoid()), Y, "bce", "UT201", "already a sigmoid"),
    ("sigmoid twin", net(), Y, "bce", "", ""),
    ("one unit", net(outputs=1), Y * 0, None, "UT201", "softmax over one unit"),
    ("one unit twin", net(outputs=1), Y % 2, "bce", "", ""),
    ("classes as numbers", net(outputs=1), Y, "mse", "UT202", "class numbers 0 to 3"),
    ("binary numbers", net(outputs=1), Y % 2, "mse", "", ""),
    ("numbers twin", net(outputs=1), T[:, None], "mse", "", ""),
    ("sigmoid, targets in reach", net(nn.Sigmoid(), outputs=1), T.sigmoid(), "mse", "", ""),
    ("label above", net(), Y + 1, None, "UT203", "label 4 is outside 0 to 3"),
    ("label below", net(), Y - 1, None, "UT203", "label -1 is outside"),
    ("one class", net(), Y * 0 + 2, None, "UT203", "all 16 labels of the batch are 2"),
]


@pytest.mark.parametrize(
    ("made", "y", "loss", "id", "said"), [s[1:] for s in SICK], ids=[s[0] for s in SICK]
)
def test_each_fault_is_found_and_its_twin_is_silent(
    made: nn.Module, y: Tensor, loss: Any, id: str, said: str
) -> None:
    case = make_case(made, (X, y), loss)
    call, _ = criterion(loss, y)
    out = made(X)
    seen = list(before_loss(case, out))
    if id != "UT203":
        seen += after_loss(case, call(out, y))
    assert [s.id for s in seen if not s.note][-1:] == ([id] if id else [])
    assert said in " ".join(s.says for s in seen)


def test_a_detached_loss_cannot_train() -> None:
    assert [s.name for s in found(Detached(), Y)] == ["loss-mismatch"]
    assert found(net(), Y) == []


def test_a_relu_head_and_one_out_of_reach_are_notes_until_judged() -> None:
    (relu,) = found(net(nn.ReLU()), Y)
    assert (relu.id, relu.note) == ("UT201", True)
    assert relu.evidence[0].value >= 0
    (reach,) = found(net(nn.Tanh(), outputs=1), TARGETS, "mse")
    assert reach.note
    assert reach.evidence[0].value == pytest.approx(float(TARGETS.abs().max()))
    assert reach.evidence[0].limit == 1


def test_a_label_to_be_ignored_is_no_error() -> None:
    assert found(net(), torch.where(Y == 3, -100, Y)) == []
    own = nn.CrossEntropyLoss(ignore_index=255)
    assert found(net(), torch.where(Y == 3, 255, Y), own) == []


def test_equal_rows_with_equal_gradients_are_symmetric() -> None:
    made = net()
    for layer in (made[0], made[2]):
        nn.init.constant_(layer.weight, 0.5)  # type: ignore[arg-type]
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    nn.functional.cross_entropy(made(X), Y).backward()
    (symptom,) = symmetric(made)
    assert symptom.id == "UT205"
    assert symptom.layers == ("0",)
    assert symptom.evidence[0].value == 8


def test_equal_rows_that_part_are_not_symmetric() -> None:
    made = net()
    nn.init.constant_(made[2].weight, 0.5)  # type: ignore[arg-type]
    nn.functional.cross_entropy(made(X), Y).backward()
    assert list(symmetric(made)) == []
    assert list(symmetric(net())) == []


def test_facts_of_features_and_of_images() -> None:
    x = torch.stack([torch.full((4,), 3.0), torch.tensor([1.0, -1, 1, -1]), torch.arange(4.0)], 1)
    facts = input_facts(make_case(nn.Linear(3, 2), (x, Y[:4] % 2)), torch.zeros(4, 2))
    assert facts.rms == pytest.approx(math.sqrt((4 * 9 + 4 + 14) / 12))
    assert (facts.abs_max, facts.constant, facts.features) == (3.0, 1, 3)
    assert facts.std_ratio == pytest.approx(math.sqrt(1.25))
    assert (facts.classes, facts.output_classes, facts.target_rms) == (2, 2, None)
    image = x[:, :, None, None].expand(4, 3, 2, 2)
    deep = input_facts(make_case(nn.Conv2d(3, 2, 1), (image, T[:4, None])), None)
    assert (deep.features, deep.constant, deep.shape) == (3, 1, (4, 3, 2, 2))
    assert deep.target_rms == pytest.approx(float(T[:4].square().mean().sqrt()))


def test_word_ids_have_no_scale() -> None:
    facts = input_facts(make_case(nn.Embedding(9, 3), (Y[:, None], Y)), None)
    assert (facts.rms, facts.shape) == (None, (16, 1))


def test_samples_that_are_all_equal_are_said_before_the_loss() -> None:
    (said,) = alike(torch.ones(16, 6))
    assert (said.id, said.note, "all 16 samples are equal" in said.says) == ("UT204", False, True)
    assert not [*alike(X), *alike(torch.ones(3, 6)), *alike(torch.ones(16, 6).long())]
    case = make_case(net(), (torch.ones(16, 6), Y), None)
    assert [s.id for s in before_loss(case, net()(torch.ones(16, 6)))] == ["UT204"]


@pytest.mark.parametrize(("x", "said"), [(X * 100, 1), (X.abs() * 11 + 20, 1), (X * 5, 0), (X, 0)])
def test_raw_features_are_told_apart_and_gated(x: Tensor, said: int) -> None:
    found = list(raw(x))
    assert [s.note for s in found] == [True] * said
    assert all("--standardise" in s.says for s in found)
