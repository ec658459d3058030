"""Small convolutional nets with one part changed, on the digits."""

import torch
from torch import Tensor, nn

from undertow.core.plan import Choices, Plan
from undertow.models import blueprint
from undertow.nn.init import initialise
from undertow.preflight import guarded
from undertow.studies.measures import nets, start, training
from undertow.studies.study import Cell

WIDTH = 16
IMAGES = 8


def filters(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The outcome of a net of one large filter (`stack` 1) or two or three stacked 3x3."""
    data, held = nets.split(cell)
    with guarded(cell.seed):
        kernel, count = int(cell.number("kernel", 3)), int(cell.number("stack", 1))
        model = nn.Sequential(*_stack(1, kernel, count), *_stack(WIDTH, kernel, count), *_end())
        _he(model)
    weights = float(sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d)))
    return {**training.judged(cell, model, data, held), "weights": weights}


def _stack(c_in: int, kernel: int, count: int) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for at in range(count):
        wide = nn.Conv2d(WIDTH if at else c_in, WIDTH, kernel, padding=kernel // 2)
        parts += [wide, nn.ReLU()]
    return parts


def _end() -> tuple[nn.Module, ...]:
    return (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * WIDTH, 10))


def _he(model: nn.Module) -> None:
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")


class Branches(nn.Module):
    """Parallel 1x1, 3x3 and 5x5 branches behind 1x1 reductions. (N, C, H, W) -> (N, 3·8, H, W)."""

    def __init__(self, c_in: int, rectified: bool) -> None:
        super().__init__()
        between = nn.ReLU if rectified else nn.Identity
        self.one = nn.Sequential(nn.Conv2d(c_in, 8, 1), nn.ReLU())
        self.three = nn.Sequential(
            nn.Conv2d(c_in, 6, 1), between(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()
        )
        self.five = nn.Sequential(
            nn.Conv2d(c_in, 4, 1), between(), nn.Conv2d(4, 8, 5, padding=2), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        """The branches' maps, concatenated."""
        return torch.cat([self.one(x), self.three(x), self.five(x)], 1)


def _inception(cell: Cell) -> nn.Sequential:
    rectified = cell.get("rectified") is not False
    with guarded(cell.seed):
        model = nn.Sequential(
            nn.Conv2d(int(cell.number("c_in", 1)), WIDTH, 3, padding=1), nn.ReLU(),
            Branches(WIDTH, rectified), Branches(24, rectified),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * 24, 10),
        )  # fmt: skip
        _he(model)
    return model


def inception(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """The outcome of two Inception modules, with or without the ReLU after the reductions."""
    data, held = nets.split(cell)
    return training.judged(cell, _inception(cell), data, held)


def branch_lesion(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """Accuracy lost when one kind of branch (1x1, 3x3, 5x5) is zeroed in the trained net.

    The held-back images are as they are (`fine`) or blurred by a 3x3 mean (`coarse`);
    `wide_less_narrow` is how much more the 5x5 branch weighs than the 1x1 on the blurred ones.
    """
    data, held = nets.split(cell)
    model = _inception(cell)
    training.train(cell, model, data)
    model.eval()
    blurred = nn.functional.avg_pool2d(nets.images(held), 3, 1, 1)
    found: dict[str, float] = {}
    for said, x in (("fine", nets.images(held)), ("coarse", blurred)):
        whole = _share(model, x, held.y)
        for branch in ("one", "three", "five"):
            found[f"{branch}_{said}"] = whole - _zeroed(model, branch, x, held.y)
    coarse = found["five_coarse"] - found["one_coarse"]
    return {**found, "wide_less_narrow": coarse - (found["five_fine"] - found["one_fine"])}


@torch.no_grad()
def _share(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def _zeroed(model: nn.Module, branch: str, x: Tensor, y: Tensor) -> float:
    parts = [m.get_submodule(branch) for m in model.modules() if isinstance(m, Branches)]
    handles = [p.register_forward_hook(lambda m, _, out: torch.zeros_like(out)) for p in parts]
    share = _share(model, x, y)
    for handle in handles:
        handle.remove()
    return share


def features(cell: Cell) -> dict[str, float | tuple[float, ...]]:
    """`grown` and `rms`: log10 after the last convolution of a big card.

    `grown` is of the deviation across images, what still tells them apart; `rms` of the root mean
    square, which theory speaks of: relu makes images alike, so that the first falls faster. `size`
    of the arm is the side of the N(0, 1) images; `classifier` is left out: it holds most of the
    weights and none of the depth.
    """
    model = _feature_part(cell)
    g = torch.Generator().manual_seed(cell.seed + 1_000)
    side = int(cell.number("size", 32))
    x = torch.randn(IMAGES, 3, side, side, generator=g)
    convs = tuple(m for m in model.modules() if isinstance(m, nn.Conv2d))
    outs = training.outputs(model, x, convs)
    stds = tuple(float(out.var(0).mean().sqrt()) for out in outs)  # what tells the images apart
    grown = nets.log_ratio(stds[-1], 1.0, start.CAP)
    rms = nets.log_ratio(float(outs[-1].double().square().mean().sqrt()), 1.0, start.CAP)
    return {"grown": grown, "rms": rms, "layer": 10 ** (grown / len(stds)), "stds": stds}


def _feature_part(cell: Cell) -> nn.Module:
    plan = cell.plan
    chosen = Choices(norm=plan.choices.norm, init=plan.choices.init)
    whole = blueprint(Plan(plan.model, chosen, variant=plan.variant))
    part = whole.get_submodule("features").to_empty(device="cpu")
    g = torch.Generator().manual_seed(cell.seed)
    if cell.get("pools") is False:
        _drop_pools(part)
    initialise(part, str(plan.choices.init), g)
    if cell.get("bias") is not None:
        _set_biases(part, cell.number("bias"))
    return part


def _drop_pools(part: nn.Module) -> None:
    for name, child in list(part.named_children()):
        if isinstance(child, nn.MaxPool2d):
            setattr(part, name, nn.Identity())


def _set_biases(part: nn.Module, value: float) -> None:
    """Biases of the convolutions AlexNet starts at 1: the second, fourth and fifth."""
    convs = [m for m in part.modules() if isinstance(m, nn.Conv2d)]
    with torch.no_grad():
        for order in (1, 3, 4):
            bias = convs[order].bias
            assert bias is not None
            bias.fill_(value)
