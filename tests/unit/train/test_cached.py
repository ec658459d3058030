"""Training on stored features is training the head on the frozen body, without augmentation."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.data.arrays import Arrays
from undertow.models import build
from undertow.models.parts import parts
from undertow.nn.optimizer import from_choices
from undertow.nn.parts import by_children
from undertow.preflight import guarded
from undertow.train.cached import alone, featured, on_features, tail
from undertow.train.fit import Job, fit
from undertow.train.transfer import by_part, freezing

CHOICES = TrainChoices(lr=0.1, batch=8, epochs=3, freeze="body", channels_last=False)


class Net(nn.Module):
    """A norm and dropout in the body, dropout before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5))
        self.pool, self.flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.drop, self.fc = nn.Dropout(0.3), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 2, 6, 6) -> (N, 3)."""
        out: Tensor = self.fc(self.drop(self.flat(self.pool(self.body(x)))))
        return out


def make(folder: Path) -> Job:
    with guarded(0):
        net, x, y = Net(), torch.randn(50, 2, 6, 6), torch.randint(3, (50,))
        net(x)  # statistics that are not those of the start
    data = Arrays("n", x, y, 3, False)
    plan = freezing(CHOICES, net, by_children(net, x[:2]))
    return Job(
        net,
        from_choices(CHOICES, by_part(plan, net, lr=0.1, bare=False)),
        data.take(torch.arange(40)),
        data.take(torch.arange(40, 50)),
        CHOICES,
        nn.functional.cross_entropy,
        folder,
        freezing=plan,
    )


def test_the_head_comes_out_as_on_the_frozen_body(tmp_path: Path) -> None:
    plain, short = make(tmp_path / "a"), make(tmp_path / "b")
    short = on_features(short, short.freezing.parts[-1])  # type: ignore[union-attr]
    assert tuple(short.train.x.shape) == (40, 6)
    assert short.tail == ("drop", "fc")
    with guarded(0):
        one = fit(plain, None)
    with guarded(0):
        two = fit(short, None)
    for key, value in plain.net.state_dict().items():
        torch.testing.assert_close(short.net.state_dict()[key], value, rtol=1e-5, atol=1e-6)
    assert [e.loss for e in two.evaluations] == pytest.approx([e.loss for e in one.evaluations])
    x = torch.randn(2, 2, 6, 6)  # the net is whole again
    torch.testing.assert_close(short.net.eval()(x), plain.net.eval()(x))


@pytest.mark.parametrize(("name", "side", "width"), [("cifar_resnet20", 32, 64), ("conv", 8, 32)])
def test_features_of_zoo_nets_give_the_logits(name: str, side: int, width: int) -> None:
    net = build(name, classes=3, seed=0).eval()
    x = torch.randn(4, 3 if side == 32 else 1, side, side)
    data = Arrays("n", x, torch.zeros(4, dtype=torch.int64), 3, False)
    paths = tail(net, parts(net, x)[-1], x)
    made = featured(net, paths, data)
    assert tuple(made.x.shape) == (4, width)
    with alone(net, paths):
        out = net(made.x[:])
    assert torch.equal(out, net(x))


def test_a_head_that_is_no_row_of_layers_and_aux_heads_are_refused(tmp_path: Path) -> None:
    class Doubled(Net):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    job = make(tmp_path)
    net = Doubled()
    with pytest.raises(UsageError, match=r"no row of layers.*leave cache_features out"):
        on_features(replace(job, net=net), by_children(net, torch.randn(2, 2, 6, 6))[-1])
    heads = build("conv", classes=3, aux=1)
    with pytest.raises(UsageError, match="trains the main head alone; give aux=0"):
        on_features(replace(job, net=heads), parts(heads, torch.randn(2, 1, 8, 8))[-1])
