"""Small programs that fail in one way each, on toy data: the kinds a repair meets first.

Plain torch; nothing here knows of the toolkit. `python benchmarks/repairs.py --part toys` repairs
each and trains what the repair says on seeds it never saw.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from sick import Sick, circles, digits, floats, mlp, moons, shuffled, tabular
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Rate:
    """An optimiser of a class with its options, as a builder that pickles."""

    kind: type[Optimizer]
    lr: float
    more: tuple[tuple[str, float], ...] = ()

    def __call__(self, params: Iterable[nn.Parameter]) -> Optimizer:
        """The optimiser of some parameters."""
        return self.kind(params, lr=self.lr, **dict(self.more))  # type: ignore[call-arg]


def sgd(lr: float, momentum: float = 0.0) -> Rate:
    """SGD, plain unless told otherwise."""
    return Rate(SGD, lr, (("momentum", momentum),))


def adam(lr: float = 1e-3) -> Rate:
    """Adam of a rate."""
    return Rate(Adam, lr)


# Data


def blobs(n: int = 600, classes: int = 4) -> Pair:
    """Clouds on a ring, one a class."""
    g = torch.Generator().manual_seed(4)
    y = torch.arange(n) % classes
    angle = y * 2 * math.pi / classes
    centre = torch.stack([angle.cos(), angle.sin()], 1) * 2
    return centre + 0.5 * torch.randn(n, 2, generator=g), y


def spirals(n: int = 900) -> Pair:
    """Three arms of a spiral."""
    g = torch.Generator().manual_seed(5)
    y = torch.arange(n) % 3
    t = torch.rand(n, generator=g)
    angle = y * 2 * math.pi / 3 + 4 * t + 0.1 * torch.randn(n, generator=g)
    return torch.stack([t * angle.cos(), t * angle.sin()], 1) * 2, y


def xor(n: int = 600) -> Pair:
    """The sign of the product of two coordinates."""
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(6)) * 2 - 1
    return x, (x[:, 0] * x[:, 1] > 0).long()


def wave(n: int = 500) -> Pair:
    """A sine with a negative offset, to be fitted: (N, 1) and (N, 1)."""
    g = torch.Generator().manual_seed(7)
    x = torch.rand(n, 1, generator=g) * 6 - 3
    return x, x.sin() - 2 + 0.05 * torch.randn(n, 1, generator=g)


def plane(n: int = 500, scale: float = 1.0) -> Pair:
    """A linear target of four features, times a scale."""
    g = torch.Generator().manual_seed(8)
    x = torch.randn(n, 4, generator=g)
    return x, scale * (x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]))


def ledger(n: int = 600) -> Pair:
    """Three classes by two small columns, beside columns of 1e4 and more."""
    g = torch.Generator().manual_seed(9)
    x = torch.randn(n, 8, generator=g)
    y = (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()
    units = torch.tensor([1.0, 0.1, 1e4, 1e3, 1.0, 5e4, 100.0, 0.01])
    return x * units + units * 3, y


def prices(n: int = 600) -> Pair:
    """A regression whose inputs are in the thousands, targets near 1."""
    g = torch.Generator().manual_seed(10)
    x = 2000 + 800 * torch.randn(n, 6, generator=g)
    return x, ((x - 2000) / 800 @ torch.tensor([1.0, -1, 0.5, 0, 0, 0.3])).unsqueeze(1)


def diabetes() -> Pair:
    """scikit-learn's diabetes in its own units, targets standardised."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True, scaled=False)
    target = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
    return torch.tensor(x, dtype=torch.float32), (target - target.mean()) / target.std()


def bytes_() -> Pair:
    """Digits as bytes up to 255, (N, 1, 8, 8)."""
    x, y = digits((1, 8, 8))
    low = x.min()
    return (x - low) / (x.max() - low) * 255, y


def signals(n: int = 600) -> Pair:
    """Sines of two rates in noise: (N, 1, 32)."""
    g = torch.Generator().manual_seed(11)
    y = torch.arange(n) % 2
    t = torch.arange(32) / 32 * 2 * math.pi
    phase = torch.rand(n, 1, generator=g) * 6
    x = torch.sin(t * (2 + 3 * y.unsqueeze(1)) + phase)
    return (x + 0.3 * torch.randn(n, 32, generator=g)).unsqueeze(1), y


def words(n: int = 600) -> Pair:
    """Token rows of 12; the class is whether token 0 occurs."""
    g = torch.Generator().manual_seed(12)
    x = torch.randint(1, 20, (n, 12), generator=g)
    y = torch.arange(n) % 2
    x[y == 1, 5] = 0
    return x, y


def one_hot(pair: Callable[[], Pair], classes: int) -> Pair:
    """The same data with one-hot float targets."""
    x, y = pair()
    return x, F.one_hot(y, classes).float()


def noise(n: int = 600) -> Pair:
    """Targets of pure noise."""
    g = torch.Generator().manual_seed(13)
    return torch.randn(n, 6, generator=g), torch.randn(n, 1, generator=g)


def lots(n: int = 600) -> Pair:
    """Two classes drawn by lot."""
    g = torch.Generator().manual_seed(14)
    return torch.randn(n, 6, generator=g), torch.randint(0, 2, (n,), generator=g)


def few_lots() -> Pair:
    """So few digits with labels by lot that a wide net knows them by heart."""
    x, y = shuffled()
    return x[:300], y[:300]


# Activations of one's own


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        """f(x)."""
        return self.f(x)


def square(x: Tensor) -> Tensor:
    """x²."""
    return x * x


def cube(x: Tensor) -> Tensor:
    """x³."""
    return x**3


class Cubed(torch.autograd.Function):
    """x³ with a backward of its own."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """x³."""
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g: Tensor) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        """3x² g."""
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


def calls(f: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    """A factory of modules that call a function."""
    return partial(Call, f)


class Plain(nn.Module):
    """Linear layers in a list, an activation as a function between them."""

    def __init__(
        self,
        sizes: tuple[int, ...],
        f: Callable[[Tensor], Tensor],
        last: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.f, self.last = f, last

    def forward(self, x: Tensor) -> Tensor:
        """The last layer's output, through `last` where there is one."""
        for layer in self.layers[:-1]:
            x = self.f(layer(x))
        x = self.layers[-1](x)
        return x if self.last is None else self.last(x)


class Squarer(nn.Module):
    """A net that writes its activation as an operator."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 32), nn.Linear(32, 32)
        self.c, self.d = nn.Linear(32, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.a(x) ** 2
        x = self.b(x) ** 2
        x = self.c(x) ** 2
        return self.d(x)


def functional_net(
    seed: int,
    sizes: tuple[int, ...],
    f: Callable[[Tensor], Tensor],
    last: Callable[[Tensor], Tensor] | None = None,
) -> nn.Module:
    """A `Plain` net of a seed."""
    torch.manual_seed(seed)
    return Plain(sizes, f, last)


def squarer() -> nn.Module:
    """No seed is taken."""
    return Squarer()


def redrawn(net: nn.Module, draw: Callable[[Tensor], object]) -> nn.Module:
    """Every weight drawn again, biases 0."""
    for m in net.modules():
        if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d):
            draw(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return net


def tiny(x: Tensor) -> Tensor:
    """U(±.001)."""
    return nn.init.uniform_(x, -0.001, 0.001)


def huge(x: Tensor) -> Tensor:
    """N(0, 2²)."""
    return nn.init.normal_(x, 0, 2.0)


def layers(  # noqa: PLR0913
    seed: int,
    features: int,
    width: int,
    depth: int,
    outputs: int,
    act: Callable[[], nn.Module] = nn.ReLU,
    *,
    draw: Callable[[Tensor], object] | None = None,
    last: Callable[[], nn.Module] | None = None,
) -> nn.Module:
    """A Sequential MLP; `draw` for its weights, `last` behind its last layer."""
    net = mlp(seed, act, features=features, width=width, depth=depth, classes=outputs)
    if last is not None:
        net.append(last())
    return net if draw is None else redrawn(net, draw)


def convs(seed: int, depth: int, act: Callable[[], nn.Module], channels: int = 8) -> nn.Module:
    """Plain convolutions on (N, 1, 8, 8)."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for i, o in pairwise([1, *[channels] * depth]):
        parts += [nn.Conv2d(i, o, 3, padding=1), act()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 10))


def convs_1d(seed: int, depth: int, act: Callable[[], nn.Module]) -> nn.Module:
    """Plain convolutions on (N, 1, 32)."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = []
    for i, o in pairwise([1, *[12] * depth]):
        parts += [nn.Conv1d(i, o, 5, padding=2), act()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(48, 2))


def tokens(seed: int) -> nn.Module:
    """An embedding and a deep sigmoid head."""
    torch.manual_seed(seed)
    deep: list[nn.Module] = []
    for _ in range(8):
        deep += [nn.Linear(48, 48), nn.Sigmoid()]
    return nn.Sequential(nn.Embedding(20, 4), nn.Flatten(), *deep, nn.Linear(48, 2))


def normed(seed: int) -> nn.Module:
    """LayerNorm before each sigmoid."""
    torch.manual_seed(seed)
    parts: list[nn.Module] = [nn.Linear(2, 16)]
    for _ in range(8):
        parts += [nn.LayerNorm(16), nn.Sigmoid(), nn.Linear(16, 16)]
    return nn.Sequential(*parts, nn.Linear(16, 2))


def biased(seed: int, value: float, act: Callable[[], nn.Module] = nn.ReLU) -> nn.Module:
    """Every hidden bias at a value."""
    return mlp(seed, act, features=64, width=32, depth=3, classes=10, bias=value)


class Skips(nn.Module):
    """A residual MLP whose branches are far too large."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 32)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)) for _ in range(10)
        )
        self.out = nn.Linear(32, 2)
        with torch.no_grad():
            for p in self.blocks.parameters():
                p.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        x = self.inner(x)
        for block in self.blocks:
            x = x + block(x)
        return self.out(x)


def skips(seed: int) -> nn.Module:
    """Branches times 6."""
    torch.manual_seed(seed)
    return Skips(6.0)


def autoencoder(seed: int) -> nn.Module:
    """64 -> 8 -> 64 in sigmoids, deep."""
    torch.manual_seed(seed)
    sizes = (64, 32, 16, 8, 16, 32)
    parts: list[nn.Module] = []
    for i, o in pairwise(sizes):
        parts += [nn.Linear(i, o), nn.Sigmoid()]
    return nn.Sequential(*parts, nn.Linear(32, 64))


def itself() -> Pair:
    """Digits as their own targets."""
    x, _ = digits()
    return x, x


def gru(seed: int) -> nn.Module:
    """A GRU read at its end."""
    torch.manual_seed(seed)
    return Reader()


class Reader(nn.Module):
    """A GRU and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(1, 16, batch_first=True), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of (N, 1, T)."""
        return self.head(self.rnn(x.transpose(1, 2))[0].mean(1))


P = partial
SOUND = P(layers, features=64, width=48, depth=2, outputs=10)
TOYS: tuple[Sick, ...] = (
    # deep narrow sigmoids
    Sick(
        "sigmoid 8x4 moons",
        P(layers, features=2, width=4, depth=8, outputs=2, act=nn.Sigmoid),
        moons,
        sgd(0.1),
    ),
    Sick(
        "sigmoid 12x6 blobs",
        P(layers, features=2, width=6, depth=12, outputs=4, act=nn.Sigmoid),
        blobs,
        sgd(0.1, 0.9),
    ),
    Sick(
        "sigmoid 6x8 spirals",
        P(layers, features=2, width=8, depth=6, outputs=3, act=nn.Sigmoid),
        spirals,
        adam(3e-3),
    ),
    Sick(
        "sigmoid 30x4 circles",
        P(layers, features=2, width=4, depth=30, outputs=2, act=nn.Sigmoid),
        circles,
        adam(1e-3),
    ),
    Sick(
        "sigmoid 10x3 xor",
        P(layers, features=2, width=3, depth=10, outputs=2, act=nn.Sigmoid),
        xor,
        sgd(0.5),
    ),
    Sick(
        "torch.sigmoid 9x6 circles",
        P(functional_net, sizes=(2, *[6] * 9, 2), f=torch.sigmoid),
        circles,
        sgd(0.1),
    ),
    Sick(
        "sigmoid 10x5 one logit",
        P(layers, features=2, width=5, depth=10, outputs=1, act=nn.Sigmoid),
        floats(moons),
        sgd(0.1, 0.9),
        nn.BCEWithLogitsLoss(),
    ),
    Sick(
        "sigmoid 9x8 sine",
        P(layers, features=1, width=8, depth=9, outputs=1, act=nn.Sigmoid),
        wave,
        adam(1e-3),
        "mse",
    ),
    Sick(
        "softplus 25x6 moons",
        P(layers, features=2, width=6, depth=25, outputs=2, act=nn.Softplus),
        moons,
        sgd(0.05, 0.9),
    ),
    Sick(
        "hard sigmoid 12x8 circles",
        P(layers, features=2, width=8, depth=12, outputs=2, act=nn.Hardsigmoid),
        circles,
        sgd(0.1),
    ),
    # tiny, huge, zero
    Sick(
        "ReLU U(.001) moons",
        P(layers, features=2, width=16, depth=5, outputs=2, draw=tiny),
        moons,
        sgd(0.1, 0.9),
    ),
    Sick(
        "ReLU U(.001) digits Adam",
        P(layers, features=64, width=24, depth=8, outputs=10, draw=tiny),
        digits,
        adam(1e-3),
    ),
    Sick(
        "tanh U(.001) spirals",
        P(layers, features=2, width=16, depth=6, outputs=3, act=nn.Tanh, draw=tiny),
        spirals,
        sgd(0.1, 0.9),
    ),
    Sick(
        "F.relu U(.001) blobs",
        lambda s: redrawn(functional_net(s, (2, 16, 16, 16, 16, 4), F.relu), tiny),
        blobs,
        sgd(0.05, 0.9),
    ),
    Sick(
        "all zero blobs",
        P(layers, features=2, width=16, depth=3, outputs=4, draw=nn.init.zeros_),
        blobs,
        sgd(0.1, 0.9),
    ),
    Sick(
        "all ones digits",
        P(layers, features=64, width=16, depth=3, outputs=10, draw=nn.init.ones_),
        digits,
        sgd(0.01, 0.9),
    ),
    Sick(
        "constant .1 spirals",
        P(
            layers,
            features=2,
            width=16,
            depth=3,
            outputs=3,
            act=nn.Tanh,
            draw=lambda w: nn.init.constant_(w, 0.1),
        ),
        spirals,
        adam(3e-3),
    ),
    Sick(
        "N(0, 2) tanh digits",
        P(layers, features=64, width=32, depth=6, outputs=10, act=nn.Tanh, draw=huge),
        digits,
        sgd(0.01, 0.9),
    ),
    Sick(
        "N(0, 2) ReLU blobs",
        P(layers, features=2, width=32, depth=6, outputs=4, draw=huge),
        blobs,
        sgd(0.01),
    ),
    # unbounded activations
    Sick(
        "exp 3x16 moons",
        P(layers, features=2, width=16, depth=3, outputs=2, act=calls(torch.exp)),
        moons,
        sgd(0.1),
    ),
    Sick(
        "exp 5x8 blobs Adam",
        P(layers, features=2, width=8, depth=5, outputs=4, act=calls(torch.exp)),
        blobs,
        adam(1e-3),
    ),
    Sick(
        "torch.exp function circles",
        P(functional_net, sizes=(2, 16, 16, 16, 2), f=torch.exp),
        circles,
        sgd(0.05),
    ),
    Sick(
        "square 5x16 blobs",
        P(layers, features=2, width=16, depth=5, outputs=4, act=calls(square)),
        blobs,
        sgd(0.05, 0.9),
    ),
    Sick("x ** 2 inline blobs", squarer, blobs, sgd(0.1, 0.9)),
    Sick(
        "sinh 6x16 blobs",
        P(layers, features=2, width=16, depth=6, outputs=4, act=calls(torch.sinh)),
        blobs,
        sgd(0.3, 0.9),
    ),
    Sick(
        "cube 4x16 blobs",
        P(layers, features=2, width=16, depth=4, outputs=4, act=calls(cube)),
        blobs,
        sgd(0.1, 0.9),
    ),
    Sick(
        "cubed by a Function blobs",
        P(layers, features=2, width=16, depth=4, outputs=4, act=calls(Cubed.apply)),
        blobs,
        sgd(0.1, 0.9),
    ),
    Sick(
        "lambda exp sine",
        P(layers, features=1, width=16, depth=4, outputs=1, act=calls(lambda x: torch.exp(x))),
        wave,
        sgd(0.05),
        "mse",
    ),
    # born dead
    Sick(
        "ReLU 20x2 moons",
        P(layers, features=2, width=2, depth=20, outputs=2),
        moons,
        sgd(0.05, 0.9),
    ),
    Sick(
        "ReLU 12x3 blobs Adam",
        P(layers, features=2, width=3, depth=12, outputs=4),
        blobs,
        adam(3e-3),
    ),
    Sick(
        "ReLU 30x4 circles",
        P(layers, features=2, width=4, depth=30, outputs=2),
        circles,
        adam(3e-3),
    ),
    Sick(
        "F.relu 18x3 xor", P(functional_net, sizes=(2, *[3] * 18, 2), f=F.relu), xor, sgd(0.05, 0.9)
    ),
    Sick(
        "ReLU 15x3 sine",
        P(layers, features=1, width=3, depth=15, outputs=1),
        wave,
        adam(3e-3),
        "mse",
    ),
    Sick("biases of -5", P(biased, value=-5.0), digits, adam(1e-3)),
    Sick("sigmoid biases of 8", P(biased, value=8.0, act=nn.Sigmoid), digits, sgd(0.05, 0.9)),
    # rates
    Sick(
        "SGD 1 digits", P(layers, features=64, width=64, depth=4, outputs=10), digits, sgd(1.0, 0.9)
    ),
    Sick(
        "SGD 10 moons", P(layers, features=2, width=32, depth=2, outputs=2), moons, sgd(10.0, 0.9)
    ),
    Sick(
        "SGD 100 circles",
        P(layers, features=2, width=32, depth=3, outputs=2, act=nn.Tanh),
        circles,
        sgd(100.0),
    ),
    Sick("Adam 1 spirals", P(layers, features=2, width=32, depth=3, outputs=3), spirals, adam(1.0)),
    Sick("Adam 10 digits", SOUND, digits, adam(10.0)),
    Sick("AdamW .5 digits", SOUND, digits, Rate(AdamW, 0.5)),
    Sick("RMSprop 1 digits", SOUND, digits, Rate(RMSprop, 1.0)),
    Sick("SGD 1e-6 digits", SOUND, digits, sgd(1e-6)),
    Sick(
        "SGD 1e-4 blobs",
        P(layers, features=2, width=32, depth=2, outputs=4, act=nn.Tanh),
        blobs,
        sgd(1e-5),
    ),
    Sick("Adam 1e-7 digits", SOUND, digits, adam(1e-7)),
    Sick(
        "SGD 5 regression",
        P(layers, features=4, width=32, depth=2, outputs=1),
        plane,
        sgd(5.0),
        nn.MSELoss(),
    ),
    Sick("SGD 3 images", P(convs, depth=3, act=nn.ReLU), P(digits, (1, 8, 8)), sgd(3.0, 0.9)),
    # heads and losses
    Sick(
        "softmax of one unit, BCELoss",
        P(layers, features=2, width=16, depth=2, outputs=1, last=P(nn.Softmax, dim=1)),
        floats(P(blobs, classes=2)),
        adam(0.01),
        nn.BCELoss(),
    ),
    Sick(
        "F.softmax of one unit, BCELoss",
        P(functional_net, sizes=(2, 16, 16, 1), f=F.relu, last=P(F.softmax, dim=1)),
        floats(circles),
        sgd(0.1, 0.9),
        nn.BCELoss(),
    ),
    Sick(
        "softmax of one unit, BCEWithLogits",
        P(layers, features=2, width=16, depth=2, outputs=1, last=P(nn.Softmax, dim=1)),
        floats(moons),
        sgd(0.1, 0.9),
        nn.BCEWithLogitsLoss(),
    ),
    Sick(
        "softmax then cross-entropy, deep",
        P(layers, features=2, width=16, depth=6, outputs=4, last=P(nn.Softmax, dim=1)),
        blobs,
        sgd(0.01),
    ),
    Sick(
        "ReLU last, negative targets",
        P(layers, features=1, width=32, depth=2, outputs=1, last=nn.ReLU),
        wave,
        adam(3e-3),
        "mse",
    ),
    Sick(
        "F.relu last, negative targets",
        P(functional_net, sizes=(1, 32, 32, 1), f=F.relu, last=F.relu),
        wave,
        sgd(0.02, 0.9),
        nn.MSELoss(),
    ),
    Sick(
        "sigmoid last, negative targets",
        P(layers, features=1, width=32, depth=2, outputs=1, last=nn.Sigmoid),
        wave,
        adam(3e-3),
        "mse",
    ),
    Sick(
        "tanh last, targets of 30",
        P(layers, features=4, width=32, depth=2, outputs=1, last=nn.Tanh),
        P(plane, scale=30.0),
        adam(3e-3),
        "mse",
    ),
    Sick(
        "ReLU last, ten logits",
        P(
            layers,
            features=64,
            width=32,
            depth=2,
            outputs=10,
            last=nn.ReLU,
            draw=lambda w: nn.init.normal_(w, -0.1, 0.05),
        ),
        digits,
        sgd(0.05, 0.9),
    ),
    # inputs in their own units
    Sick(
        "wine, tanh",
        P(layers, features=13, width=24, depth=2, outputs=3, act=nn.Tanh),
        tabular,
        sgd(0.05, 0.9),
    ),
    Sick(
        "wine, sigmoid",
        P(layers, features=13, width=24, depth=2, outputs=3, act=nn.Sigmoid),
        tabular,
        sgd(0.1),
    ),
    Sick(
        "diabetes, ReLU",
        P(layers, features=10, width=32, depth=2, outputs=1),
        diabetes,
        sgd(0.05),
        "mse",
    ),
    Sick(
        "columns of 1e4, ReLU",
        P(layers, features=8, width=32, depth=2, outputs=3),
        ledger,
        sgd(0.01, 0.9),
    ),
    Sick(
        "columns of 1e4, tanh, Adam",
        P(layers, features=8, width=32, depth=2, outputs=3, act=nn.Tanh),
        ledger,
        adam(1e-3),
    ),
    Sick(
        "thousands, regression",
        P(layers, features=6, width=32, depth=2, outputs=1),
        prices,
        sgd(0.01),
        nn.MSELoss(),
    ),
    Sick("bytes, convolutions", P(convs, depth=2, act=nn.ReLU), bytes_, sgd(0.05, 0.9)),
    Sick(
        "bytes, F.relu MLP",
        P(functional_net, sizes=(64, 32, 32, 10), f=F.relu),
        lambda: (bytes_()[0].flatten(1), bytes_()[1]),
        sgd(0.1),
    ),
    # other shapes of program
    Sick(
        "sigmoid convolutions 8",
        P(convs, depth=8, act=nn.Sigmoid),
        P(digits, (1, 8, 8)),
        sgd(0.05, 0.9),
    ),
    Sick("sigmoid 1-d convolutions", P(convs_1d, depth=8, act=nn.Sigmoid), signals, sgd(0.05, 0.9)),
    Sick("embedding, sigmoid head", tokens, words, adam(1e-3)),
    Sick("residual branches × 6", skips, circles, sgd(0.01, 0.9)),
    Sick("autoencoder in sigmoids", autoencoder, itself, sgd(0.1), "mse"),
    Sick("GRU, rate 30", gru, signals, sgd(30.0)),
    Sick("GRU, rate 1e-5", gru, signals, sgd(1e-5)),
    Sick(
        "one-hot, sigmoid 10",
        P(layers, features=2, width=8, depth=10, outputs=4, act=nn.Sigmoid),
        P(one_hot, blobs, 4),
        sgd(0.1, 0.9),
        "bce",
    ),
    # nothing to find
    Sick(
        "noise targets",
        P(layers, features=6, width=64, depth=2, outputs=1),
        noise,
        adam(1e-3),
        "mse",
        curable=False,
    ),
    Sick(
        "labels by lot",
        P(layers, features=6, width=64, depth=2, outputs=2),
        lots,
        adam(1e-3),
        curable=False,
    ),
    Sick(
        "labels by lot, learned by heart",
        P(layers, features=64, width=256, depth=2, outputs=10),
        few_lots,
        adam(3e-3),
        curable=False,
    ),
    Sick(
        "labels by lot, sigmoid 10",
        P(layers, features=6, width=16, depth=10, outputs=2, act=nn.Sigmoid),
        lots,
        sgd(0.1, 0.9),
        curable=False,
    ),
    Sick(
        "labels by lot, tiny init",
        P(layers, features=64, width=128, depth=4, outputs=10, draw=tiny),
        few_lots,
        sgd(0.1, 0.9),
        curable=False,
    ),
    Sick(
        "labels by lot, rate 10",
        P(layers, features=64, width=128, depth=2, outputs=10),
        few_lots,
        sgd(10.0),
        curable=False,
    ),
    Sick(
        "noise targets, rate 5",
        P(layers, features=6, width=128, depth=2, outputs=1),
        noise,
        sgd(5.0),
        "mse",
        curable=False,
    ),
)
