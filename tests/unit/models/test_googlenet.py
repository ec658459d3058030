"""GoogLeNet and Inception-v3: the paper's form by hand, and what evaluation does not show."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan
from undertow.models import blueprint, build_plan
from undertow.models.googlenet import TABLE_1, Inception, Widths
from undertow.nn.norm import BATCH, factory
from undertow.nn.recipe import Recipe
from undertow.nn.skip import skip

CLOSE = 1e-5  # of the logits' standard deviation


def layer(state: dict[str, Tensor], path: str, x: Tensor, stride: int = 1, pad: int = 0) -> Tensor:
    """Convolution with its bias, then ReLU."""
    weight, bias = state[f"{path}.conv.weight"], state[f"{path}.conv.bias"]
    return F.conv2d(x, weight, bias, stride, pad).relu()


def pooled(x: Tensor) -> Tensor:
    """3/2, a last window that hangs over included."""
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def respond(x: Tensor) -> Tensor:
    """The Caffe release's: n 5, k 1, α 1e-4 over the mean, β .75."""
    squares = F.pad(x.square(), (0, 0, 0, 0, 2, 2))
    total = torch.stack([squares[:, i : i + x.shape[1]] for i in range(5)]).sum(0)
    return x / (1 + 1e-4 / 5 * total) ** 0.75


def module(state: dict[str, Tensor], path: str, x: Tensor) -> Tensor:
    """Fig. 2b with a 5x5."""
    three = layer(state, f"{path}.branch2.1", layer(state, f"{path}.branch2.0", x), pad=1)
    five = layer(state, f"{path}.branch3.1", layer(state, f"{path}.branch3.0", x), pad=2)
    pool = layer(state, f"{path}.branch4.1", F.max_pool2d(x, 3, 1, 1))
    return torch.cat([layer(state, f"{path}.branch1", x), three, five, pool], 1)


def table_1(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """Logits, and those of the lower and upper head."""
    x = respond(pooled(layer(state, "conv1", x, 2, 3)))
    x = pooled(respond(layer(state, "conv3", layer(state, "conv2", x), pad=1)))
    heads: list[Tensor] = []
    for name in TABLE_1:
        x = module(state, f"inception{name}", x)
        x = pooled(x) if name in ("3b", "4e") else x
        if name in ("4a", "4d"):
            head = f"aux{len(heads) + 1}"
            y = layer(state, f"{head}.conv", F.avg_pool2d(x, 5, 3)).flatten(1)
            y = F.linear(y, state[f"{head}.fc1.weight"], state[f"{head}.fc1.bias"]).relu()
            heads.append(F.linear(y, state[f"{head}.fc2.weight"], state[f"{head}.fc2.bias"]))
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"]), *heads


def test_the_papers_form_is_table_1() -> None:
    net: Any = build_plan(Plan("googlenet", Choices(init="he-normal"), variant="paper", classes=16))
    x = 50 * torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    for drop in (m for m in net.modules() if isinstance(m, nn.Dropout)):
        drop.p = 0.0
    with torch.no_grad():
        out, wanted = net.forward_aux(x), table_1(net.state_dict(), x)
    found = (out.logits, out.aux["aux1"], out.aux["aux2"])
    for one, two in zip(found, wanted, strict=True):
        assert float((one - two).abs().max() / two.std()) < CLOSE


def test_heads_by_number_keep_the_upper_one() -> None:
    x = torch.zeros(2, 3, 64, 64, device="meta")
    for heads, names in ((0, []), (1, ["aux2"]), (2, ["aux1", "aux2"])):
        net: Any = blueprint(Plan("googlenet", Choices(aux=heads)))
        assert list(net.forward_aux(x).aux) == names
        assert net.heads == ("fc", *(f"{name}.fc2" for name in names))
        assert net.eval().forward_aux(x).aux == {}
    assert net.aux_weight == 0.3


def test_defaults_of_both_forms() -> None:
    published, paper = (blueprint(Plan("googlenet", variant=v)) for v in ("published", "paper"))
    assert [getattr(n, "heads") for n in (published, paper)] == [  # noqa: B009
        ("fc",),
        ("fc", "aux1.fc2", "aux2.fc2"),
    ]
    rates = [[m.p for m in n.modules() if isinstance(m, nn.Dropout)] for n in (published, paper)]
    assert rates == [[0.2], [0.7, 0.7, 0.4]]


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_norms_have_the_published_epsilon_and_momentum(name: str) -> None:
    norms = [m for m in blueprint(Plan(name)).modules() if isinstance(m, BATCH)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.1)}


def test_initialisations_are_those_of_their_references() -> None:
    net: Any = build_plan(Plan("googlenet", classes=10))
    assert float(net.inception5b.branch2[1].conv.weight.detach().std()) == pytest.approx(
        0.01, rel=0.05
    )
    paper: Any = build_plan(Plan("googlenet", variant="paper"))
    conv = paper.inception4a.branch2[1].conv
    wanted = (2 / (9 * (96 + 208))) ** 0.5
    assert float(conv.weight.detach().std()) == pytest.approx(wanted, rel=0.05)
    biases = [v for k, v in paper.state_dict().items() if k.endswith(".bias")]
    assert all(b.eq(torch.tensor(0.2)).all() for b in biases)
    third: Any = build_plan(Plan("inception_v3", Choices(aux=1)))
    assert float(third.Mixed_7b.branch3x3_1.conv.weight.detach().std()) == pytest.approx(
        0.1, rel=0.05
    )
    assert float(third.AuxLogits.conv1.conv.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert float(third.AuxLogits.fc.weight.detach().std()) == pytest.approx(0.001, rel=0.05)


def test_the_module_stands_alone() -> None:
    made = Recipe("relu", factory("batch"), skip("none"))
    block = Inception(8, Widths(4, (2, 6), (2, 4), 2), made, kernel=5)
    assert block(torch.zeros(2, 8, 5, 5)).shape == (2, 16, 5, 5)


def test_inception_v3_has_no_paper_variant() -> None:
    with pytest.raises(UsageError, match=r"no variant='paper': .* 5x5 .*; choose published"):
        blueprint(Plan("inception_v3", variant="paper"))


def test_the_head_of_inception_v3_needs_its_map() -> None:
    net: Any = blueprint(Plan("inception_v3", Choices(aux=1)))
    x = torch.zeros(2, 3, 128, 128, device="meta")
    with pytest.raises(UsageError, match="needs 299 px"):
        net.forward_aux(x)
    assert net(x).shape == net.eval().forward_aux(x).logits.shape == (2, 1000)


def test_no_classes_give_features() -> None:
    for name, size in (("googlenet", 1024), ("inception_v3", 2048)):
        net = blueprint(Plan(name, Choices(aux=1), classes=0))
        assert net(torch.zeros(2, 3, 96, 96, device="meta")).shape == (2, size)
