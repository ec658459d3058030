"""A plan's edits on any module: the same layout, a copy changed, the original never."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Edit, Plan
from undertow.core.record import Layer
from undertow.instrument.probe import rows_of
from undertow.models import build_plan
from undertow.nn.blocks import shape_preserving
from undertow.nn.surgery import edited, scaled_weights, zero_biases

X = torch.randn(4, 1, 8, 8)


def net() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Sigmoid(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Sigmoid(),
        nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, 3),
    )  # fmt: skip


def layout(made: nn.Module) -> list[tuple[str, str, str]]:
    return [(y.kind, y.act, y.norm) for y in rows_of(made, X) if y.role != "norm"]


@pytest.mark.parametrize(
    "edit",
    [
        Edit("act", "relu"),
        Edit("norm", "batch"),
        Edit("norm", "group"),
        Edit("init", "he-normal"),
        Edit("reset_bias", True),
    ],
)
def test_the_original_is_never_changed(edit: Edit) -> None:
    own = net()
    before = {k: v.clone() for k, v in own.state_dict().items()}
    shown = repr(own)
    changed = edited(own, [edit], rows_of(own, X))
    assert repr(own) == shown
    assert all(torch.equal(before[k], v) for k, v in own.state_dict().items())
    state = changed.state_dict()
    assert repr(changed) != shown or any(not torch.equal(before[k], state[k]) for k in before)
    assert changed(X).shape == (4, 3)


def test_activations_are_swapped_and_nothing_else() -> None:
    own = net()
    changed = edited(own, [Edit("act", "relu")], rows_of(own, X))
    assert [type(m).__name__ for m in changed.modules() if not list(m.parameters(False))][1:] == [
        "ReLU", "ReLU", "Flatten", "ReLU",
    ]  # fmt: skip
    assert all(torch.equal(v, changed.state_dict()[k]) for k, v in own.state_dict().items())
    assert [a for _, a, _ in layout(changed)] == ["relu", "relu", "relu", ""]


def test_one_activation_at_several_places_is_swapped_at_each() -> None:
    act = nn.Tanh()
    shared = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), act, nn.Linear(4, 4), act)
    changed = edited(shared, [Edit("act", "elu")], ())
    assert not [m for m in changed.modules() if isinstance(m, nn.Tanh)]
    assert sum(isinstance(m, nn.ELU) for m in changed.modules()) == 2


def test_norms_stand_where_the_probe_found_none_before_an_activation() -> None:
    own = net()
    changed: Any = edited(own, [Edit("norm", "batch")], rows_of(own, X))
    assert isinstance(changed[0][1], nn.BatchNorm2d)
    assert isinstance(changed[2], nn.Conv2d)
    assert isinstance(changed[6][1], nn.BatchNorm1d)
    assert isinstance(changed[8], nn.Linear)
    assert [n for _, _, n in layout(changed)] == ["batch", "batch", "batch", ""]
    out = changed[0](X)
    assert out.mean((0, 2, 3)).abs().max().item() < 1e-5
    assert out.var((0, 2, 3), correction=0).tolist() == pytest.approx([1] * 4, abs=1e-3)


def test_a_norm_takes_the_type_of_its_layer() -> None:
    own = net().double()
    changed: Any = edited(own, [Edit("norm", "batch")], rows_of(own, X.double()))
    assert changed[0][1].weight.dtype == torch.float64


def test_biases_are_zero_and_norms_keep_theirs() -> None:
    own = net()
    nn.init.constant_(own[3].bias, 0.5)
    changed: Any = edited(own, [Edit("reset_bias", True)], ())
    assert [float(changed[i].bias.detach().abs().sum()) for i in (0, 2, 3, 6, 8)] == [0, 0, 2, 0, 0]
    assert torch.equal(changed[0].weight, own[0].weight)
    assert zero_biases(own) == 4


def test_weights_are_drawn_by_the_rule_and_the_seed() -> None:
    big = nn.Sequential(nn.Linear(400, 500), nn.ReLU(), nn.Linear(500, 3))
    one, two, other = (
        edited(big, [Edit("init", "he-normal")], (), seed).state_dict()["0.weight"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert float(one.std()) == pytest.approx((2 / 400) ** 0.5, rel=0.02)


@pytest.mark.parametrize("field", ["lr", "batch"])
def test_what_is_no_part_of_a_module_is_refused(field: str) -> None:
    with pytest.raises(UsageError, match=f"{field} is no part of a module; possible are depth"):
        edited(net(), [Edit(field, 3)], ())


class Functional(nn.Module):
    """Its activation is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return torch.relu(self.fc(x))


def test_no_place_for_an_edit_is_told() -> None:
    with pytest.raises(UsageError, match="no activation that could be replaced"):
        edited(Functional(), [Edit("act", "relu")], ())
    with pytest.raises(UsageError, match="no layer that feeds an activation"):
        edited(net(), [Edit("norm", "batch")], ())
    text = nn.Sequential(nn.LSTM(1, 2), nn.ReLU())
    rows = (Layer("0", "LSTM", 0, "relu", units=2),)
    with pytest.raises(UsageError, match=r"a norm does not fit behind 0 \(LSTM\)"):
        edited(text, [Edit("norm", "batch")], rows)
    with pytest.raises(UsageError, match="keeps the shape of its input"):
        edited(net(), [Edit("skip", "projection")], (), run=lambda made: made(X))
    with pytest.raises(UsageError, match="it needs a batch"):
        edited(net(), [Edit("skip", "projection")], ())
    with pytest.raises(UsageError, match=r"act='relux' is unknown \(did you mean relu"):
        edited(net(), [Edit("act", "relux")], ())


@pytest.mark.parametrize(
    "edits",
    [
        [Edit("act", "relu")],
        [Edit("norm", "batch")],
        [Edit("norm", "group")],
        [Edit("act", "tanh"), Edit("norm", "batch")],
    ],
)
def test_a_plan_and_its_net_are_edited_to_the_same_layout(edits: list[Edit]) -> None:
    choices = Choices(act="sigmoid", init="xavier-uniform")
    plan = Plan("conv", choices, (("depth", 4), ("width", 8), ("pool_at", (2,))))
    own = build_plan(plan, (1, 8, 8))
    by_plan = build_plan(plan.edit(edits), (1, 8, 8))
    by_hand = edited(own, edits, rows_of(own, X))
    assert layout(by_plan) == layout(by_hand)
    assert layout(by_plan) != layout(own)
    assert by_hand(X).shape == by_plan(X).shape


def test_a_re_drawn_bias_free_net_is_the_plans_bit_for_bit() -> None:
    plan = Plan("mlp", Choices(act="relu", init="torch"), (("depth", 2), ("width", 8)))
    own = build_plan(plan, (1, 8, 8))
    edits = [Edit("init", "he-normal")]
    by_plan = build_plan(plan.edit(edits), (1, 8, 8)).state_dict()
    by_hand = edited(copy.deepcopy(own), edits, (), plan.seed).state_dict()
    assert by_plan.keys() == by_hand.keys()
    assert all(torch.equal(by_plan[k], by_hand[k]) for k in by_plan)


class Written(nn.Module):
    """Activations as functions: plain, in place, as a method; one of them behind the head."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 5), nn.Linear(5, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3) -> (N, 2)."""
        x = nn.functional.relu(self.a(x), inplace=True)
        return torch.sigmoid(self.c(self.b(x).sigmoid()))


def test_functional_activations_are_swapped_up_to_the_head() -> None:
    torch.manual_seed(0)
    own, x = Written(), torch.randn(6, 3)
    before = own(x)
    changed: Any = edited(own, [Edit("act", "tanh")], rows_of(own, x))
    wanted = torch.sigmoid(own.c(torch.tanh(own.b(torch.tanh(own.a(x))))))
    assert torch.equal(changed(x), wanted)
    assert torch.equal(own(x), before)
    again, thawed = copy.deepcopy(changed), pickle.loads(pickle.dumps(changed))
    assert torch.equal(again(x), wanted)
    assert torch.equal(thawed(x), wanted)
    changed(x).sum().backward()
    assert changed.a.weight.grad is not None
    assert [y.act for y in rows_of(changed, x)] == ["tanh", "tanh", "sigmoid"]
    with pytest.raises(RuntimeError):
        changed(torch.ones(1, 9))
    assert not torch.overrides._get_current_function_mode_stack()


def test_norms_of_any_linear_layer_and_convolution() -> None:
    for layer, x in (
        (nn.Conv1d(2, 4, 3), torch.randn(5, 2, 9)),
        (nn.Conv3d(2, 4, 3), torch.randn(5, 2, 4, 4, 4)),
        (nn.ConvTranspose2d(2, 4, 3), torch.randn(5, 2, 4, 4)),
        (nn.Linear(2, 4), torch.randn(5, 7, 2)),
    ):
        own = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
        own(x)
        changed: Any = edited(own, [Edit("norm", "batch")], rows_of(own, x))
        out = changed[0](x).detach()
        unit = -1 if isinstance(layer, nn.Linear) else 1
        over = [d for d in range(out.ndim) if d != unit % out.ndim]
        assert float(out.mean(over).abs().max()) < 1e-5
        assert float(out.std(over, correction=0).mean()) == pytest.approx(1.0, abs=0.02)
        assert changed[0].weight is changed[0][0].weight  # asked of the layer in its place
        assert edited(own, [Edit("norm", "group")], rows_of(own, x))(x).shape == own(x).shape


def test_a_skip_stands_over_blocks_that_keep_their_shape() -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    own = nn.Sequential(nn.Linear(3, 4), block, nn.Tanh(), nn.Linear(4, 2))
    x = torch.randn(6, 3)
    blocks = shape_preserving(copy.deepcopy(own), lambda made: made(x))
    assert blocks == ("1",)
    skip = [Edit("skip", "projection")]
    changed = edited(own, skip, (), run=lambda made: made(x))
    h = own[0](x)
    assert torch.equal(changed(x), own[3](torch.tanh(own[1](h) + h)))
    assert torch.equal(copy.deepcopy(changed)(x), changed(x))
    twice = edited(changed, skip, (), run=lambda made: made(x))
    assert torch.equal(twice(x), changed(x))
    deep = nn.Sequential(*(nn.Linear(4, 4) for _ in range(9)))
    found = shape_preserving(deep, lambda made: made(torch.randn(2, 4)))
    assert found == tuple(map(str, range(9)))  # a whole trunk is no block


def test_hidden_weights_are_scaled_and_no_others() -> None:
    own = net()
    changed: Any = scaled_weights(own, 5.0, rows_of(own, X))
    assert torch.equal(changed[0].weight, 5 * own[0].weight)
    assert torch.equal(changed[0].bias, own[0].bias)
    assert torch.equal(changed[8].weight, own[8].weight)
    spectral = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU())
    spectral.append(nn.Linear(4, 2))
    with pytest.raises(UsageError, match="stand for themselves"):
        scaled_weights(spectral, 2.0, rows_of(spectral, torch.randn(4, 3)))
