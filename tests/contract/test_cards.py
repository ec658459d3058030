"""What every card must do: counts on meta for every choice, behaviour for one net a family."""

import copy
import importlib
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import combinations
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.core.words import ACTIVATIONS, INITS, NORMS, SKIPS
from undertow.models import CARDS, Card, alexnet, blueprint, build_plan, fit_input, resolve, vgg
from undertow.nn.activation import word_of
from undertow.nn.count import Count, count
from undertow.nn.init import WEIGHTED, following
from undertow.nn.norm import word_of as norm_of

SLOW = ("cifar_resnet1202",)  # seconds a choice, on meta too
EVERY = pytest.mark.parametrize(
    "card",
    [pytest.param(c, marks=pytest.mark.slow if c.name in SLOW else (), id=c.name) for c in CARDS],
)
ONE_DEPTH = (
    "mlp",
    "conv",
    "alexnet",
    "vgg11",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "cifar_resnet20",
)
FAMILY = [c for c in CARDS if c.name in ONE_DEPTH]
SIZES = {"mlp": (("depth", 4), ("width", 16)), "conv": (("depth", 4), ("width", 16))}


def choices(card: Card) -> Iterator[Choices]:
    """The card's own, then one choice changed at a time."""
    yield Choices()
    yield from (Choices(act=word) for word in ACTIVATIONS)
    yield from (Choices(norm=word) for word in card.norms)
    yield from (Choices(skip=word) for word in card.skips)
    yield from (Choices(init=word.replace("STD", "0.01")) for word in INITS if word != "paper")
    yield from (Choices(aux=heads) for heads in range(card.heads + 1))
    yield Choices(dropout=0.2)


def label(card: Card, made: Choices) -> str:
    """The card and the choice that is changed, as a test's id."""
    given = [f"{f.name}={getattr(made, f.name)}" for f in fields(made)]
    return "-".join([card.name, *(g for g in given if not g.endswith("=None"))])


CHANGED = [
    pytest.param(card, made, id=label(card, made)) for card in FAMILY for made in choices(card)
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classifiers of 64 units: wide ones cost seconds and show nothing more here."""
    monkeypatch.setattr(vgg, "HIDDEN", 64)
    monkeypatch.setattr(alexnet, "HIDDEN", 64)


@EVERY
def test_counts_are_the_cards_own(card: Card) -> None:
    for variant in card.variants:
        net = blueprint(Plan(card.name, variant=variant.name))
        assert count(net, card.input) == Count(variant.parameters, variant.macs)
    assert (card.parameters, card.macs) == (card.variants[0].parameters, card.variants[0].macs)


@EVERY
def test_every_choice_builds(card: Card) -> None:
    for made in choices(card):
        if made.init is not None:  # draws other numbers into the same modules
            assert resolve(Plan(card.name, made)).choices.init == made.init
            continue
        net = blueprint(Plan(card.name, made))
        acts = {word_of(m) for m in net.modules()} - {""}
        norms = {norm_of(m) for m in net.modules()} - {""}
        plan = resolve(Plan(card.name, made))
        assert acts == {plan.choices.act}
        assert norms == {plan.choices.norm} - {"none"}


@pytest.mark.slow
@pytest.mark.parametrize("card", FAMILY, ids=lambda c: c.name)
def test_every_pair_of_choices_runs(card: Card) -> None:
    words: list[tuple[str, Any]] = [("act", a) for a in ACTIVATIONS]
    words += [("norm", n) for n in card.norms]
    words += [("skip", s) for s in card.skips]
    words += [("aux", n) for n in range(card.heads + 1)]
    for (one, a), (two, b) in combinations(words, 2):
        if one != two:
            given: dict[str, Any] = {one: a, two: b}
            plan = Plan(card.name, Choices(**given), SIZES.get(card.name, ()), classes=7)
            net: Any = blueprint(plan, _smallest(card, plan))
            out = net.forward_aux(torch.zeros((2, *_smallest(card, plan)), device="meta"))
            assert out.logits.shape == (2, 7)
            assert len(out.aux) == given.get("aux", resolve(plan).choices.aux)


@EVERY
def test_every_activation_site_has_a_module_of_its_own(card: Card) -> None:
    net = blueprint(Plan(card.name))
    acts = [m for m in net.modules() if word_of(m)]
    calls: list[nn.Module] = []
    for act in acts:
        act.register_forward_hook(lambda m, a, o: calls.append(m))
    net(torch.zeros((1, *card.input), device="meta"))
    assert len(calls) == len(acts) == len({id(m) for m in acts})
    assert not any(getattr(m, "inplace", False) for m in acts)


@EVERY
def test_prelu_adds_a_slope_a_channel_and_nothing_else(card: Card) -> None:
    plain, sloped = (blueprint(Plan(card.name, Choices(act=a))) for a in ("relu", "prelu"))
    slopes = sum(m.num_parameters for m in sloped.modules() if isinstance(m, nn.PReLU))
    channels = sum(
        _channels(plain, path)
        for path, act in following(plain).items()
        if act == "relu" and ".downsample." not in path  # its sum with a branch feeds one site
    )
    assert slopes == channels
    extra = count(sloped, card.input).parameters - count(plain, card.input).parameters
    assert extra == slopes


@EVERY
def test_what_is_not_accepted_is_refused_with_the_words_that_are(card: Card) -> None:
    wrong = [Choices(norm=n) for n in NORMS if n not in card.norms]
    wrong += [Choices(skip=s) for s in SKIPS if s not in card.skips]
    wrong += [Choices(aux=card.heads + 1)]
    for made in wrong:
        with pytest.raises(UsageError, match=f"{card.name} takes no .*; choose "):
            resolve(Plan(card.name, made))


@EVERY
def test_classes_and_channels_change_the_ends_alone(card: Card) -> None:
    own: Any = blueprint(Plan(card.name, Choices(aux=card.heads)))
    other = blueprint(Plan(card.name, Choices(aux=card.heads), classes=7, in_channels=5))
    shapes = {k: v.shape for k, v in own.state_dict().items()}
    changed = {k for k, v in other.state_dict().items() if v.shape != shapes[k]}
    heads = {f"{h}.{p}" for h in own.heads for p in ("weight", "bias")}
    assert heads <= changed
    assert len(changed - heads) == 1  # the first layer's weight
    assert next(iter(shapes)) in changed


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("card", "made"), CHANGED)
def test_forward_and_backward_are_finite(card: Card, made: Choices) -> None:
    plan = Plan(card.name, made, SIZES.get(card.name, ()), classes=10, seed=1)
    shape = _smallest(card, plan)
    check_both_ways(build_plan(plan, shape), shape)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet50", "cifar_resnet20"])
def test_the_papers_form_is_finite(name: str) -> None:
    card = next(c for c in CARDS if c.name == name)
    plan = Plan(name, variant="paper", classes=10, seed=1)
    shape = _smallest(card, plan)
    check_both_ways(build_plan(plan, shape), shape)


def check_both_ways(net: Any, shape: tuple[int, ...]) -> None:
    """Logits in training, finite gradients of every parameter with the heads, none in eval."""
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    assert net(x).shape == (4, 10)
    out, y = net.forward_aux(x), torch.arange(4)
    assert len(out.aux) == len(net.heads) - 1
    loss = F.cross_entropy(out.logits, y)
    for logits in out.aux.values():
        loss = loss + net.aux_weight * F.cross_entropy(logits, y)
    loss.backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter).all(), name
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    still = copy.deepcopy(net).eval()
    assert torch.equal(still(x), still.forward_aux(x).logits)
    assert still.forward_aux(x).aux == {}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", [c for c in FAMILY if not c.flat], ids=lambda c: c.name)
def test_odd_sizes_pass_and_smaller_ones_are_refused(card: Card) -> None:
    plan = Plan(card.name, sizes=SIZES.get(card.name, ()), classes=10)
    channels, side, _ = _smallest(card, plan)
    net = build_plan(plan, (channels, side, side + 2)).eval()
    assert net(torch.zeros(1, channels, side, side + 2)).shape == (1, 10)
    least = card.smallest_side(resolve(plan))
    with pytest.raises(UsageError, match=f"needs {least} px"):
        fit_input(plan, (channels, least - 1, least))
    if card.family != "plain":
        with pytest.raises(UsageError, match=f"needs {least} px.*{least - 1}x{least}"):
            net(torch.zeros(1, channels, least - 1, least))


LEAST = [
    Plan(name, made, variant=variant)
    for name in ONE_DEPTH[2:]
    for variant in ("published", "paper")
    for made in (Choices(), Choices(norm="instance"), Choices(aux=1), Choices(aux=0))
    if variant == "published" or name in ("googlenet", "alexnet")
]


@pytest.mark.parametrize("plan", LEAST, ids=lambda p: f"{p.model}-{p.variant}-{p.choices}")
def test_the_smallest_input_is_the_smallest(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    card = next(c for c in CARDS if c.name == plan.model)
    if plan.choices.aux and not card.heads:
        pytest.skip("no heads")
    least, net = card.smallest_side(resolve(plan)), cast(Any, blueprint(plan))
    x = torch.zeros((2, card.input[0], least, least), device="meta")
    assert net.forward_aux(x).logits.shape == (2, card.classes)
    if least > 1:
        for name in ("alexnet", "vgg", "googlenet", "inception", "resnet", "resnet_cifar"):
            module = importlib.import_module(f"undertow.models.{name}")
            monkeypatch.setattr(module, "fits", lambda x, least: x)
        with pytest.raises((RuntimeError, ValueError)):
            net.forward_aux(x[..., 1:, 1:])


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("card", FAMILY, ids=lambda c: c.name)
def test_same_seed_same_weights(card: Card) -> None:
    plan = Plan(card.name, sizes=SIZES.get(card.name, ()), classes=10, seed=5)
    state = torch.get_rng_state()
    one, two = build_plan(plan).state_dict(), build_plan(plan).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    key = next(iter(one))
    assert not torch.equal(build_plan(replace(plan, seed=6)).state_dict()[key], one[key])


def _smallest(card: Card, plan: Plan) -> tuple[int, ...]:
    """The smallest input; features and 1 px are raised to what a batch norm can vary over."""
    if card.flat:
        return (12,)
    side = max(card.smallest_side(card.resolve(plan)), 2)
    return (card.input[0], side, side)


def _channels(net: nn.Module, path: str) -> int:
    layer = net.get_submodule(path)
    assert isinstance(layer, WEIGHTED)
    return int(layer.weight.shape[0])
