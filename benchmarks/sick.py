"""Networks that fail in one known way each, in plain torch: what a stranger's program looks like.

Every entry builds from a seed; nothing here knows of the toolkit.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, Optimizer

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Sick:
    """One failing program: its network, data, loss and optimiser."""

    name: str
    build: Callable[[int], nn.Module]
    data: Callable[[], Pair]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    loss: str | Callable[[Tensor, Tensor], Tensor] = "cross-entropy"
    curable: bool = True
    steps: int = 300
    batch: int = 64


def circles(n: int = 600) -> Pair:
    """Two rings in the plane, (N, 2) and labels 0, 1."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 2
    angle = torch.rand(n, generator=g) * 2 * math.pi
    radius = 0.45 + 0.55 * y + 0.08 * torch.randn(n, generator=g)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), y


def moons(n: int = 600) -> Pair:
    """Two half moons in the plane, (N, 2) and labels 0, 1."""
    g = torch.Generator().manual_seed(1)
    y = torch.arange(n) % 2
    angle = torch.rand(n, generator=g) * math.pi
    x = torch.stack([angle.cos() + y, angle.sin() * (1 - 2 * y) + 0.5 * y], 1)
    return x + 0.1 * torch.randn(n, 2, generator=g), y


def digits(shape: tuple[int, ...] = (64,)) -> Pair:
    """scikit-learn's digits, standardised."""
    from sklearn.datasets import load_digits

    held = load_digits()
    x = torch.tensor(held.data, dtype=torch.float32)
    return ((x - x.mean()) / x.std()).reshape(-1, *shape), torch.tensor(held.target)


def small_images() -> Pair:
    """Digits as (N, 1, 8, 8)."""
    return digits((1, 8, 8))


def sequences(n: int = 600, length: int = 40) -> Pair:
    """Noise of (N, length, 1); the class is the sign of the sum of the last 5 values."""
    g = torch.Generator().manual_seed(2)
    x = torch.randn(n, length, 1, generator=g)
    return x, (x[:, -5:, 0].sum(1) > 0).long()


def tabular() -> Pair:
    """scikit-learn's wine in its own units: features from 0.1 to 1,700."""
    from sklearn.datasets import load_wine

    x, y = load_wine(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def cancer() -> Pair:
    """scikit-learn's breast cancer table in its own units."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def shuffled() -> Pair:
    """Digits whose labels were drawn by lot: nothing can be learned."""
    x, y = digits()
    return x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))]


def floats(pair: Callable[[], Pair]) -> Callable[[], Pair]:
    """The same data with targets of (N, 1) floats."""

    def made() -> Pair:
        x, y = pair()
        return x, y.float().unsqueeze(1)

    return made


class Exp(nn.Module):
    """An activation without bound."""

    def forward(self, x: Tensor) -> Tensor:
        """e^x."""
        return x.exp()


def mlp(  # noqa: PLR0913
    seed: int,
    act: Callable[[], nn.Module],
    *,
    features: int = 2,
    width: int = 8,
    depth: int = 8,
    classes: int = 2,
    uniform: float | None = None,
    gain: float = 1.0,
    bias: float | None = None,
) -> nn.Sequential:
    """Linear layers with one activation each; `uniform` redraws every weight from U(±uniform)."""
    torch.manual_seed(seed)
    sizes = [features, *[width] * depth]
    parts: list[nn.Module] = []
    for i, o in pairwise(sizes):
        parts += [nn.Linear(i, o), act()]
    net = nn.Sequential(*parts, nn.Linear(sizes[-1], classes))
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                if uniform is not None:
                    layer.weight.uniform_(-uniform, uniform)
                layer.weight.mul_(gain)
                if bias is not None and layer is not net[-1]:
                    layer.bias.fill_(bias)
    return net


def sigmoid_2d(seed: int) -> nn.Module:
    """Deep and narrow, sigmoid, on the plane."""
    return mlp(seed, nn.Sigmoid, width=5, depth=10)


def sigmoid_deep(seed: int) -> nn.Module:
    """20 layers of 8 sigmoid units."""
    return mlp(seed, nn.Sigmoid, width=8, depth=20)


def tiny_uniform(seed: int) -> nn.Module:
    """ReLU from U(±0.01)."""
    return mlp(seed, nn.ReLU, features=64, width=32, depth=6, classes=10, uniform=0.01)


def unbounded(seed: int) -> nn.Module:
    """Exp as the activation."""
    return mlp(seed, Exp, width=16, depth=4)


def narrow(seed: int) -> nn.Module:
    """16 ReLU layers of 3 units: born dead in most seeds."""
    return mlp(seed, nn.ReLU, width=3, depth=16)


def killed(seed: int) -> nn.Module:
    """Biases of -3 switch every unit off."""
    return mlp(seed, nn.ReLU, features=64, width=32, depth=4, classes=10, bias=-3.0)


def plain(seed: int) -> nn.Module:
    """A sound MLP on digits."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
    )


def plain_wine(seed: int) -> nn.Module:
    """A sound MLP for 13 features."""
    return mlp(seed, nn.ReLU, features=13, width=32, depth=3, classes=3)


def plain_cancer(seed: int) -> nn.Module:
    """A sound MLP for 30 features."""
    return mlp(seed, nn.Tanh, features=30, width=32, depth=2)


def one_unit_softmax(seed: int) -> nn.Module:
    """Softmax over a single output unit: 1 for every input."""
    return nn.Sequential(mlp(seed, nn.ReLU, width=16, depth=2, classes=1), nn.Softmax(dim=1))


class Convs(nn.Module):
    """A convolutional net whose ReLUs are functions."""

    def __init__(self, depth: int, width: int = 16, std: float | None = None) -> None:
        super().__init__()
        sizes = [1, *[width] * depth]
        made = [nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(sizes)]
        self.convs = nn.ModuleList(made)
        self.fc = nn.Linear(width, 10)
        if std is not None:
            for conv in made:
                nn.init.normal_(conv.weight, 0, std)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of (N, 1, 8, 8)."""
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.fc(x.mean((2, 3)))


def functional(seed: int) -> nn.Module:
    """12 convolutions with F.relu from N(0, .01²)."""
    torch.manual_seed(seed)
    return Convs(12, std=0.01)


def normed_deep(seed: int) -> nn.Module:
    """56 plain convolutions of 8 channels, each with batch norm and ReLU, from He's weights."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for i in range(56):
        conv = nn.Conv2d(8 if i else 1, 8, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        parts += [conv, nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


class Recurrent(nn.Module):
    """An LSTM whose recurrent weights are so large that gradients grow with time."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, 32, batch_first=True)
        self.fc = nn.Linear(32, 2)
        with torch.no_grad():
            self.lstm.weight_hh_l0.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of (N, T, 1)."""
        out, _ = self.lstm(x)
        return self.fc(out[:, -1])


def lstm(seed: int, gain: float = 10.0) -> nn.Module:
    """Recurrent weights so many times torch's; over many steps the gradient jumps by decades."""
    torch.manual_seed(seed)
    return Recurrent(gain)


class Block(nn.Module):
    """Attention and a feed-forward part, each added to its input; no norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.up = nn.Linear(width, 2 * width)
        self.act = nn.ReLU()
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> the same."""
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return x + self.down(self.act(self.up(x)))


class Stack(nn.Module):
    """Rows of an 8x8 digit as 8 tokens, through blocks without a norm."""

    def __init__(self, depth: int, width: int = 32, gain: float = 2.0) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.fc = nn.Linear(width, 10)
        with torch.no_grad():
            for block in self.blocks:
                block.up.weight.mul_(gain)
                block.down.weight.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of (N, 1, 8, 8)."""
        x = self.embed(x[:, 0])
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean(1))


def transformer(seed: int) -> nn.Module:
    """8 blocks without a norm, weights too large."""
    torch.manual_seed(seed)
    return Stack(8)


def transformer_x4(seed: int) -> nn.Module:
    """The same with feed-forward weights 4 times torch's."""
    torch.manual_seed(seed)
    return Stack(8, gain=4.0)


def sgd(lr: float, momentum: float = 0.9) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
    """SGD of a rate."""
    return lambda p: SGD(p, lr=lr, momentum=momentum)


def adam(lr: float = 1e-3) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
    """Adam of a rate."""
    return lambda p: Adam(p, lr=lr)


NAMED: tuple[Sick, ...] = (
    Sick("sigmoid 10x5, circles", sigmoid_2d, circles, sgd(0.05)),
    Sick("sigmoid 20x8, moons", sigmoid_deep, moons, sgd(0.05)),
    Sick("sigmoid 10x5, circles, Adam", sigmoid_2d, circles, adam(0.002)),
    Sick("ReLU from U(±0.01)", tiny_uniform, digits, sgd(0.05)),
    Sick("exp activation", unbounded, circles, sgd(0.05)),
    Sick("born dead, 16x3", narrow, circles, sgd(0.05)),
    Sick("biases of -3", killed, digits, sgd(0.02)),
    Sick("rate too high", plain, digits, sgd(5.0)),
    Sick("rate too high, Adam", plain, digits, adam(1.0)),
    Sick("rate too low", plain, digits, sgd(1e-5)),
    Sick("softmax over one unit, bce", one_unit_softmax, floats(circles), adam(0.01),
         nn.functional.binary_cross_entropy),
    Sick("softmax over one unit, BCELoss", one_unit_softmax, floats(moons), adam(0.01),
         nn.BCELoss()),
    Sick("softmax over one unit, mse", one_unit_softmax, floats(circles), adam(0.01), "mse"),
    Sick("softmax over one unit, classes", one_unit_softmax, moons, adam(0.01)),
    Sick("wine in its units", plain_wine, tabular, sgd(0.02)),
    Sick("cancer table in its units", plain_cancer, cancer, sgd(0.02)),
    Sick("convolutions with F.relu", functional, small_images, sgd(0.02)),
    Sick("56 plain convolutions with BN", normed_deep, small_images, sgd(0.05), steps=100),
    Sick("LSTM, gradients explode", lstm, sequences, sgd(3.0)),
    Sick("LSTM over 80 steps, gradients jump", lambda s: lstm(s, 7.0), lambda: sequences(length=80),
         sgd(1.0, 0.0), steps=100),
    Sick("LSTM over 100 steps, gradients jump", lambda s: lstm(s, 7.5),
         lambda: sequences(length=100), sgd(1.2, 0.0), steps=120),
    Sick("transformer without norm", transformer, small_images, sgd(0.02)),
    Sick("transformer without norm, x 4", transformer_x4, small_images, sgd(0.02)),
    Sick("shuffled labels", plain, shuffled, adam(), curable=False),
    Sick("shuffled labels, sigmoid", lambda s: mlp(s, nn.Sigmoid, features=64, width=64, depth=8,
         classes=10), shuffled, sgd(0.05), curable=False),
)  # fmt: skip
