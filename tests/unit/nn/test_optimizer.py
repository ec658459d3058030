"""Optimisers made, re-made on a copy with all options, scaled, and read as numbers."""

import copy
from typing import Any

import pytest
import torch
from torch import nn, optim

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.core.record import OptimizerFacts
from undertow.nn.optimizer import can_fuse, facts, from_choices, remake, scaled


def net() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("sgd", optim.SGD),
        ("adam", optim.Adam),
        ("adamw", optim.AdamW),
        ("rmsprop", optim.RMSprop),
    ],
)
def test_choices_name_an_optimiser(word: str, kind: type[optim.Optimizer]) -> None:
    choices = TrainChoices(word, lr=0.5, momentum=0.8, l2=0.1)
    made = from_choices(choices, net().parameters())
    assert type(made) is kind
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.5, 0.1)
    assert group.get("momentum", 0.8) == (0.8 if word == "sgd" else group.get("momentum", 0.8))


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(UsageError, match=r"optimizer='adan' is unknown \(did you mean adam"):
        from_choices(TrainChoices("adan"), net().parameters())


def test_a_copy_gets_class_defaults_groups_and_no_state() -> None:
    own = net()
    groups: list[dict[str, Any]] = [
        {"params": own[2].parameters(), "lr": 0.5, "weight_decay": 0.25},
        {"params": [own[0].weight]},
    ]
    given = optim.Adam(groups, lr=0.01, betas=(0.5, 0.75), amsgrad=True)
    own(torch.ones(1, 3)).sum().backward()
    given.step()
    copied = copy.deepcopy(own)
    made = remake(given, own)(copied.parameters())
    assert type(made) is optim.Adam
    assert not made.state
    first, second = made.param_groups
    assert [id(p) for p in first["params"]] == [id(p) for p in copied[2].parameters()]
    assert [id(p) for p in second["params"]] == [id(copied[0].weight)]
    assert (first["lr"], first["weight_decay"], second["lr"]) == (0.5, 0.25, 0.01)
    assert first["betas"] == second["betas"] == (0.5, 0.75)
    assert first["amsgrad"]


@pytest.mark.parametrize(
    "given",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, lr=0.1, eps=1e-3),
        lambda p: optim.AdamW(p, lr=0.1),
        lambda p: optim.RMSprop(p, lr=0.1, centered=True),
        lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    ],
)
def test_a_copy_takes_the_same_two_steps(given: Any) -> None:
    own = net()
    copied = copy.deepcopy(own)
    optimizer = given(own.parameters())
    again = remake(optimizer, own)(copied.parameters())
    for made, held in ((own, optimizer), (copied, again)):
        for _ in range(2):
            held.zero_grad()
            made(torch.ones(2, 3)).square().sum().backward()
            held.step()
    pairs = zip(own.parameters(), copied.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_parameters_a_change_added_are_trained_too() -> None:
    own = net()
    make = remake(optim.SGD(own.parameters(), lr=0.1), own)
    longer = nn.Sequential(*copy.deepcopy(own), nn.Linear(2, 2))
    held = {id(p) for g in make(longer.parameters()).param_groups for p in g["params"]}
    assert held == {id(p) for p in longer.parameters()}


def test_a_factory_stays_itself_and_nothing_else_is_taken() -> None:
    assert remake(optim.Adam, net()) is optim.Adam
    with pytest.raises(UsageError, match="give an Optimizer or"):
        remake(0.1, net())


def test_scaling_multiplies_every_groups_rate() -> None:
    def make(params: Any) -> optim.Optimizer:
        held = list(params)
        groups: list[dict[str, Any]] = [{"params": held[:1], "lr": 3.0}, {"params": held[1:]}]
        return optim.SGD(groups, lr=0.5)

    made = scaled(make, 10.0)(net().parameters())
    assert [g["lr"] for g in made.param_groups] == [30.0, 5.0]
    assert [g["lr"] for g in make(net().parameters()).param_groups] == [3.0, 0.5]


def test_an_optimiser_in_numbers() -> None:
    sgd = optim.SGD(net().parameters(), lr=0.5, momentum=0.9, nesterov=True, weight_decay=0.1)
    assert facts(sgd, 2.0) == OptimizerFacts("sgd", 0.5, 0.9, True, 2.0, 0.1)
    adam = optim.AdamW(net().parameters(), lr=torch.tensor(0.25), weight_decay=0.0, foreach=False)
    assert facts(adam) == OptimizerFacts("adamw", 0.25)
    assert facts(adam).adaptive


@pytest.mark.parametrize("word", ["sgd", "adam"])
def test_one_kernel_takes_the_same_steps_as_torchs_own_also_in_channels_last(word: str) -> None:
    """The kernel walks memory: a gradient of another layout than its weight would be misread."""
    ends = []
    for fused in (None, True):
        torch.manual_seed(0)
        made: Any = nn.Sequential(nn.Conv2d(3, 5, 3), nn.Flatten(), nn.LazyLinear(2)).double()
        x = torch.randn(4, 3, 6, 6, dtype=torch.float64)
        made(x)
        made.to(memory_format=torch.channels_last)
        choices = TrainChoices(word, lr=0.1, momentum=0.9, l2=0.01)
        optimizer = from_choices(choices, made.parameters(), fused=fused)
        for _ in range(5):
            optimizer.zero_grad()
            made(x.to(memory_format=torch.channels_last)).square().mean().backward()
            optimizer.step()
        ends.append(made[0].weight.detach().clone())
    torch.testing.assert_close(ends[0], ends[1], rtol=1e-7, atol=1e-9)


def test_fp16_takes_torchs_own_steps() -> None:
    made = net()
    assert can_fuse(made, "bf16")
    assert not can_fuse(made, "fp16")
    assert not can_fuse(made.to("meta"), "fp32")


def test_groups_follow_their_parameters_where_norms_are_inserted() -> None:
    """By position alone the head's own rate would fall on the last norm."""
    import undertow as ut

    net = nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(),
        nn.Linear(4, 2),
    )  # fmt: skip
    body = [p for i in (0, 2, 4) for p in net[i].parameters()]
    groups = [{"params": body}, {"params": net[6].parameters(), "lr": 7.0}]
    make = remake(optim.SGD(groups, lr=0.1), net)
    changed = ut.apply(net, "batch-norm")
    one, two = make(changed.parameters()).param_groups
    assert {id(p) for p in two["params"]} == {id(p) for p in changed[6].parameters()}  # type: ignore[index]
    assert two["lr"] == 7.0
    assert len(one["params"]) == 6 + 3 * 2
    shorter = ut.apply(net, "shallower")
    assert len(make(shorter.parameters()).param_groups) == 2
