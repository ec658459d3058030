"""AlexNet: both forms against references written by hand, and what evaluation does not show."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.plan import Choices, Plan
from undertow.models import alexnet, blueprint, build_plan

CLOSE = 1e-5  # of the logits' standard deviation


def respond(x: Tensor) -> Tensor:
    """Sec. 3.3 as printed: n 5, k 2, α 1e-4 over the sum, β .75."""
    squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
    total = torch.stack([squares[:, i : i + x.shape[1]] for i in range(5)]).sum(0)
    return x / (2 + 1e-4 * total) ** 0.75


def two_towers(net: Any, x: Tensor) -> Tensor:
    """Fig. 2 with a tower on each device, as a chain of functions on the net's weights."""
    convs = [m for m in net.features if isinstance(m, nn.Conv2d)]
    linear = [m for m in net.classifier if isinstance(m, nn.Linear)]

    def apart(x: Tensor, conv: Any, pad: int) -> Tensor:
        half, out = x.shape[1] // 2, conv.weight.shape[0] // 2
        parts = (
            F.conv2d(x[:, part * half :][:, :half], conv.weight[rows], conv.bias[rows], 1, pad)
            for part, rows in enumerate((slice(0, out), slice(out, None)))
        )
        return torch.cat(list(parts), 1).relu()

    x = F.conv2d(x, convs[0].weight, convs[0].bias, 4, 2).relu()
    x = F.max_pool2d(respond(x), 3, 2)
    x = F.max_pool2d(respond(apart(x, convs[1], 2)), 3, 2)
    x = F.conv2d(x, convs[2].weight, convs[2].bias, 1, 1).relu()
    x = F.max_pool2d(apart(apart(x, convs[3], 1), convs[4], 1), 3, 2)
    x = x.flatten(1)
    for layer in linear[:-1]:
        x = F.linear(x, layer.weight, layer.bias).relu()
    return F.linear(x, linear[-1].weight, linear[-1].bias)


def test_the_papers_form_is_two_towers() -> None:
    net: nn.Module = build_plan(
        Plan("alexnet", Choices(init="he-normal"), variant="paper", classes=16)
    )
    net.eval()
    x = 50 * torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, wanted = net(x), two_towers(net, x)
        loud = [m for m in net.modules() if isinstance(m, nn.LocalResponseNorm)]
        for module in loud:
            module.alpha = 1e-4  # the other reading of α
        mutant = net(x)
    assert float((found - wanted).abs().max() / wanted.std()) < CLOSE
    assert float((mutant - wanted).abs().max() / wanted.std()) > 100 * CLOSE


@pytest.mark.parametrize("variant", ["published", "paper"])
def test_dropout_stands_before_each_hidden_layer(variant: str) -> None:
    net: Any = blueprint(Plan("alexnet", variant=variant))
    kinds = [type(m).__name__ for m in net.classifier]
    assert kinds == ["Dropout", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Linear"]
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]


def test_response_norms_stand_behind_the_first_two_activations() -> None:
    net: Any = blueprint(Plan("alexnet", variant="paper"))
    kinds = [type(m).__name__ for m in net.features[:8]]
    behind = ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]
    assert kinds == behind * 2
    published: Any = blueprint(Plan("alexnet", Choices(norm="lrn")))
    assert [type(m).__name__ for m in published.features[:8]] == behind * 2


def test_the_paper_draws_narrow_weights_and_biases_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alexnet, "HIDDEN", 64)
    net: Any = build_plan(Plan("alexnet", variant="paper"))
    convs: list[Any] = [m for m in net.features if isinstance(m, nn.Conv2d)]
    linear: list[Any] = [m for m in net.classifier if isinstance(m, nn.Linear)]
    for layer in (*convs, *linear):
        assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert [float(m.bias.detach().unique()) for m in (*convs, *linear)] == [0, 1, 0, 1, 1, 1, 1, 0]


def test_the_published_form_draws_as_torch_does() -> None:
    net: Any = build_plan(Plan("alexnet", Choices(), classes=10))
    conv = net.features[3]
    assert float(conv.weight.detach().std()) == pytest.approx((3 * 64 * 25) ** -0.5, rel=0.05)
    assert float(conv.bias.detach().std()) > 0


def test_the_head_looks_at_the_third_convolution() -> None:
    net: Any = blueprint(Plan("alexnet", Choices(aux=1)))
    assert net.heads == ("classifier.6", "aux.fc")
    out = net.forward_aux(torch.zeros(2, 3, 64, 64, device="meta"))
    assert {k: v.shape for k, v in out.aux.items()} == {"aux": (2, 1000)}
    assert net.aux.fc.in_features == 384
    seen: list[tuple[int, ...]] = []
    net.aux.register_forward_hook(lambda m, a, o: seen.append(a[0].shape))
    net.forward_aux(torch.zeros(1, 3, 224, 224, device="meta"))
    assert seen == [(1, 384, 13, 13)]
