"""Initialisations have the variance of their formula, share draws, and touch nothing else."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from undertow.core.activation import FACTS
from undertow.core.errors import UsageError
from undertow.core.words import INITS
from undertow.nn.activation import activation
from undertow.nn.init import ZERO, Law, following, initialise, lsuv, parse_init, scheme

WORDS = [word.replace("STD", "0.03") for word in INITS if word not in ("paper", "lsuv")]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def net(act: str = "relu", width: int = 128) -> nn.Sequential:
    """Conv (fan-in 27·k) and linear layers of more than 10k weights, a norm, a logits layer."""
    return nn.Sequential(
        nn.Conv2d(16, width, 3),
        nn.BatchNorm2d(width),
        activation(act, width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, 100),
        activation(act, 100),
        nn.Linear(100, 128),
    )


def _std(x: Tensor) -> float:
    return float(x.detach().std())


def _top(x: Tensor) -> float:
    return float(x.detach().abs().max())


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.named_parameters()}


VARIANCES: dict[
    str, Callable[[int, int, float], float]
] = {  # of fan-in, fan-out and the negative slope of what follows
    "torch": lambda i, o, a: 1 / (3 * i),
    "xavier-uniform": lambda i, o, a: 2 / (i + o),
    "xavier-normal": lambda i, o, a: 2 / (i + o),
    "he-uniform": lambda i, o, a: 2 / ((1 + a * a) * i),
    "he-normal": lambda i, o, a: 2 / ((1 + a * a) * i),
    "lecun-normal": lambda i, o, a: 1 / i,
    "normal:0.03": lambda i, o, a: 0.03**2,
}


@pytest.mark.parametrize("word", VARIANCES)
@pytest.mark.parametrize("act", ["relu", "leaky-relu", "prelu", "tanh"])
def test_weights_have_the_variance_of_the_formula(word: str, act: str) -> None:
    model, rule = net(act), VARIANCES[word]
    initialise(model, word, generator())
    a = FACTS[act].negative_slope or 0.0
    layers = {"0": (16 * 9, 128 * 9, a), "5": (128, 100, a), "7": (100, 128, 1.0)}
    for path, (fan_in, fan_out, slope) in layers.items():
        std = float(model.get_parameter(f"{path}.weight").detach().std())
        assert std == pytest.approx(math.sqrt(rule(fan_in, fan_out, slope)), rel=0.03)


@pytest.mark.parametrize("word", WORDS)
def test_biases_are_zero_but_for_the_default_of_torch(word: str) -> None:
    model = net()
    initialise(model, word, generator())
    for path in ("0", "5", "7"):
        bias = model.get_parameter(f"{path}.bias")
        assert bool(bias.any()) == (word == "torch")
        if word == "torch":
            bound = {"0": 1 / 12, "5": 128**-0.5, "7": 0.1}[path]
            assert float(bias.detach().abs().max()) <= bound


def test_the_default_of_torch_equals_that_of_torch_in_law() -> None:
    ours, theirs = nn.Linear(50, 2000), nn.Linear(50, 2000)
    initialise(nn.Sequential(ours), "torch", generator())
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert _std(mine) == pytest.approx(_std(other), rel=0.05)
        assert _top(mine) == pytest.approx(_top(other), rel=0.02)


@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid", "identity"])
def test_orthogonal_weights_are_orthogonal_times_the_forward_gain(act: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3), activation(act), nn.Flatten(), nn.Linear(64, 10))
    initialise(model, "orthogonal", generator())
    flat = model.get_parameter("0.weight").detach().flatten(1)
    wanted = torch.eye(16) * FACTS[act].gain ** 2
    assert (flat @ flat.T - wanted).abs().max() < 1e-4
    head = model.get_parameter("3.weight").detach()
    assert (head @ head.T - torch.eye(10)).abs().max() < 1e-4


def test_what_follows_a_layer_is_read_in_order_of_registration() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Identity(),
        nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Linear(4, 2),
    )  # fmt: skip
    assert following(model) == {"0": "tanh", "3": "relu", "5": "relu", "7": "identity"}


def test_a_model_names_its_own_logits_layers() -> None:
    class Two(nn.Module):
        heads = ("aux",)

        def __init__(self) -> None:
            super().__init__()
            self.aux = nn.Linear(2, 2)
            self.body = nn.Linear(2, 2)
            self.act = nn.ReLU()

    assert following(Two()) == {"aux": "identity", "body": "relu"}


def test_a_traced_activation_wins_over_registration() -> None:
    model = nn.Sequential(nn.Linear(400, 400))
    initialise(model, "he-normal", generator(), acts={"0": "relu"})
    assert float(model.get_parameter("0.weight").detach().std()) == pytest.approx(
        (2 / 400) ** 0.5, rel=0.02
    )


@pytest.mark.parametrize("word", WORDS)
def test_same_seed_same_weights_and_other_seed_others(word: str) -> None:
    models = [net(), net(), net()]
    for model, seed in zip(models, (3, 3, 4), strict=True):
        initialise(model, word, generator(seed))
    one, two, three = map(weights, models)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["0.weight"], three["0.weight"])
    assert not torch.equal(one["0.weight"].flatten()[:100], one["5.weight"].flatten()[:100])


def test_nets_share_draws_where_path_and_shape_agree() -> None:
    one, two = net("relu"), net("tanh")
    two[5] = nn.Linear(128, 100, bias=False)
    two.insert(8, nn.Linear(128, 3))
    initialise(one, "torch", generator())
    initialise(two, "torch", generator())
    for key in ("0.weight", "0.bias", "5.weight", "7.weight"):
        assert torch.equal(one.get_parameter(key), two.get_parameter(key))


def test_the_scale_differs_and_the_draws_do_not() -> None:
    one, two = net(), net()
    initialise(one, "he-normal", generator())
    initialise(two, "normal:0.01", generator())
    ratio = one.get_parameter("0.weight") / two.get_parameter("0.weight")
    assert float(ratio.detach().std()) < 1e-3


def test_random_states_are_left_alone() -> None:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=True)  # noqa: NPY002
    model = net()
    torch.set_rng_state(states[0])
    initialise(model, "lsuv", generator(), batch=torch.ones(2, 16, 8, 8))
    assert torch.equal(states[0], torch.get_rng_state())
    assert random.getstate() == states[1]
    assert str(np.random.get_state(legacy=True)) == str(states[2])  # noqa: NPY002


def test_norms_and_slopes_go_back_to_their_start() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.PReLU(8))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 5.0)
    model(torch.randn(4, 8))
    initialise(model, "he-normal", generator())
    state = model.state_dict()
    assert state["1.weight"].tolist() == [1.0] * 8
    assert not state["1.bias"].any()
    assert not state["1.running_mean"].any()
    assert int(state["1.num_batches_tracked"]) == 0
    assert state["2.weight"].tolist() == [0.25] * 8


def test_a_parametrised_weight_takes_the_draw() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(200, 200))
    initialise(nn.Sequential(layer), "normal:0.5", generator())
    assert _std(layer.weight) == pytest.approx(0.5, rel=0.02)


def test_paper_is_what_the_card_says() -> None:
    model = net()
    with pytest.raises(UsageError, match=r"'paper' has no meaning.*he-normal"):
        initialise(model, "paper", generator())
    initialise(model, "paper", generator(), paper=lambda p, m, a: (Law("constant", 2.0), ZERO))
    assert set(model.get_parameter("0.weight").flatten().tolist()) == {2.0}


def test_lsuv_gives_unit_outputs() -> None:
    layers = [part for _ in range(6) for part in (nn.Linear(64, 64), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 64))
    batch = torch.randn(256, 64, generator=generator()) * 7
    initialise(model, "lsuv", generator(), batch=batch)
    stds: list[float] = []
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda m, a, out: stds.append(_std(out)))
    assert int(model.get_buffer("12.num_batches_tracked")) == 0
    model.train()
    model[13].eval()
    model(batch)
    assert stds == pytest.approx([1.0] * 7, abs=0.1)


def test_lsuv_leaves_modes_hooks_and_constant_layers_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Dropout(0.5)).train()
    before = weights(model)
    found = lsuv(model, lambda net: net(torch.zeros(8, 4)))
    assert found == {"0": 0.0}
    assert torch.equal(before["0.weight"], model.get_parameter("0.weight"))
    assert all(m.training and not m._forward_hooks for m in model.modules())


def test_lsuv_without_a_batch_is_orthogonal() -> None:
    one, two = net(), net()
    initialise(one, "lsuv", generator())
    initialise(two, "orthogonal", generator())
    assert torch.equal(one.get_parameter("0.weight"), two.get_parameter("0.weight"))


@pytest.mark.parametrize(
    ("word", "long"),
    [("he", "he-normal"), ("xavier", "xavier-uniform"), ("torch", "torch"),
     ("normal:1e-2", "normal:0.01"), ("normal:0.30", "normal:0.3")],
)  # fmt: skip
def test_words_take_their_long_form(word: str, long: str) -> None:
    assert parse_init(word) == long


@pytest.mark.parametrize(
    "word", ["normal", "normal:", "normal:x", "normal:0", "normal:-1", "normal:inf"]
)
def test_a_standard_deviation_is_asked_for(word: str) -> None:
    with pytest.raises(UsageError, match=r"above 0, as normal:0\.01"):
        scheme(word)


def test_unknown_word_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean he-normal"):
        parse_init("he-norm")
