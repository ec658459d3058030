"""Plain nets: `mlp` and `conv`, the nets of the protocols, studies and the demo. No paper.

`depth` layers of one width, then a linear head. With a skip the layers pair up to blocks in
pre-activation form (He et al. 2016b, fig. 1b), the only one that leaves the shortcut free of
activations: the sum is taken before norm and activation. Each layer owns the norm and activation
behind it, so that names, counts and draws are the same with and without skips.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import NORMS, SKIPS
from undertow.models.card import Card, Shape, Variant
from undertow.nn.auxiliary import AUX_WEIGHT, AuxHead, Output
from undertow.nn.norm import GROUPS
from undertow.nn.recipe import Recipe, head, recipe

DEEPEST = 64  # layers
OUTSIDE, OPENS, CLOSES = "outside", "opens", "closes"  # a layer's place in a block


class Layer(nn.Module):
    """Weights, then norm and activation. (N, C_in, ...) -> (N, width, ...)."""

    def __init__(
        self, kind: str, weights: nn.Module, width: int, place: str, pools: bool, recipe: Recipe
    ) -> None:
        super().__init__()
        self.kind, self.place = kind, place
        self.add_module(kind, weights)
        if place == CLOSES:
            self.shortcut = recipe.skip.shortcut(width, width, 1, recipe)
            self.join = recipe.skip.join()
        self.residual = place == CLOSES and recipe.skip.residual
        self.norm = recipe.norm_or_identity(width)
        self.act = recipe.act(width)
        pool = (nn.MaxPool2d(2),) if pools else ()
        self.after = nn.Sequential(*recipe.response_layers(), *pool)

    def forward(self, x: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Output, and what the next block's shortcut starts from: the sum before the norm."""
        h = self.get_submodule(self.kind)(x)
        if self.place == CLOSES:
            h = self.join(self.shortcut(kept), h)
        return self.after(self.act(self.norm(h))), kept if self.place == OPENS else h

    def branch_end(self) -> nn.Module | None:
        """The layer whose weight scales the branch last; None outside a residual branch."""
        return self.get_submodule(self.kind) if self.residual else None


class Plain(nn.Module):
    """`enter`, the layers, `leave` to features, dropout, head. Logits, in train and eval alike."""

    aux_weight = AUX_WEIGHT

    def __init__(self, layers: Sequence[Layer], width: int, plan: Plan, recipe: Recipe) -> None:
        super().__init__()
        flat = not recipe.maps
        classes = plan.classes or 0
        self.enter = nn.Flatten() if flat else nn.Identity()
        self.layers = nn.ModuleList(layers)
        maps = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.leave = nn.Sequential(*(() if flat else maps))
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = head(width, classes)
        self.aux = AuxHead(width, classes) if plan.choices.aux and classes else None
        self.middle = (len(layers) + 1) // 2

    @property
    def heads(self) -> tuple[str, ...]:
        """Paths of the logits layers, the main one first."""
        return ("head",) if self.aux is None else ("head", "aux.fc")

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes)."""
        return self._run(x)[0]

    def forward_aux(self, x: Tensor) -> Output:
        """Logits, and in training those of the head half-way where there is one."""
        logits, half = self._run(x)
        if self.aux is None or not self.training:
            return Output(logits, {})
        return Output(logits, {"aux": self.aux(half)})

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = kept = half = self.enter(x)
        for order, layer in enumerate(self.layers, 1):
            x, kept = layer(x, kept)
            half = x if order == self.middle else half
        return self.head(self.dropout(self.leave(x))), half


def places(depth: int, pool_at: Sequence[int] = ()) -> list[str]:
    """The place of each layer: after the first of a stage, pairs are blocks; none spans a pool."""
    edges = [0, *pool_at, depth]
    found = []
    for start, end in pairwise(edges):
        pairs = (end - start - 1) // 2
        alone = end - start - 1 - 2 * pairs
        found += [OUTSIDE, *([OPENS, CLOSES] * pairs), *([OUTSIDE] * alone)]
    return found


def build_mlp(plan: Plan, shape: Shape) -> Plain:
    """Flatten, `depth` linear layers of `width`, linear head."""
    made = recipe(plan.choices, maps=False)

    def linear(c_in: int, c_out: int) -> nn.Module:
        return nn.Linear(c_in, c_out, bias=made.needs_bias)

    return _build("linear", linear, math.prod(shape), plan, made)


def build_conv(plan: Plan, shape: Shape) -> Plain:
    """`depth` 3x3 convolutions of `width`, pools where asked, global average, linear head."""
    made = recipe(plan.choices)

    def conv(c_in: int, c_out: int) -> nn.Module:
        return nn.Conv2d(c_in, c_out, 3, padding=1, bias=made.needs_bias)

    return _build("conv", conv, shape[0], plan, made)


def _build(
    kind: str, weights: Callable[[int, int], nn.Module], c_in: int, plan: Plan, recipe: Recipe
) -> Plain:
    depth, width = _count(plan, "depth", DEEPEST), _count(plan, "width")
    pool_at = _pool_at(plan)
    layers = [
        Layer(kind, weights(width if i else c_in, width), width, place, i + 1 in pool_at, recipe)
        for i, place in enumerate(places(depth, pool_at))
    ]
    return Plain(layers, width, plan, recipe)


def check_sizes(plan: Plan, shape: Shape | None) -> None:
    """Nothing, where depth, width and pools build on inputs of `shape` (None: of any).

    Raises:
        UsageError: says what would build.
    """
    depth = _count(plan, "depth", DEEPEST)
    _count(plan, "width")
    side = min(shape[1:]) if shape is not None and len(shape) > 1 else None
    _check_pools(_pool_at(plan), depth, side)


def _count(plan: Plan, name: str, most: int | None = None) -> int:
    value = dict(plan.sizes)[name]
    if not isinstance(value, int) or value < 1 or (most is not None and value > most):
        allowed = "1 or more" if most is None else f"1 to {most}"
        raise UsageError(f"{name}={value!r} does not build; give a whole number, {allowed}")
    return value


def _pool_at(plan: Plan) -> tuple[int, ...]:
    value = dict(plan.sizes).get("pool_at", ())
    return (value,) if isinstance(value, int) else tuple(value)


def _check_pools(pool_at: tuple[int, ...], depth: int, side: int | None) -> None:
    given = f"pool_at={','.join(map(str, pool_at))}"
    if pool_at and any(a >= b for a, b in pairwise((0, *pool_at, depth))):
        raise UsageError(f"{given} must rise strictly within 1 to {depth - 1} (depth={depth})")
    fit = len(pool_at) if side is None else max(side.bit_length() - 1, 0)
    if len(pool_at) > fit:
        shown = ",".join(map(str, pool_at[:fit])) or "none"
        raise UsageError(
            f"{given} halves {side} px below 1; at most {fit} pools fit: pool_at={shown}"
        )


def _smallest(plan: Plan) -> int:
    """2 to the pools; twice that where a norm would see one value a group."""
    width = _count(plan, "width")
    alone = plan.choices.norm == "instance" or (plan.choices.norm == "group" and width <= GROUPS)
    return 1 << len(_pool_at(plan)) + alone


OWN = Choices(act="relu", norm="none", init="torch", skip="none", aux=0, dropout=0.0)
TRAIN = TrainChoices(lr=0.02)  # torch's init and this rate: the sick cases are one option away
MLP = Card(
    name="mlp",
    family="plain",
    paper="",
    year=0,
    build=build_mlp,
    input=(256,),
    smallest=1,
    classes=10,
    variants=(Variant("published", 1_318_410, 1_313_280, OWN),),
    sizes=(("depth", 20), ("width", 256)),
    norms=("none", "batch", "group", "layer"),
    skips=SKIPS,
    heads=1,
    train=TRAIN,
    check=check_sizes,
)
CONV = Card(
    name="conv",
    family="plain",
    paper="",
    year=0,
    build=build_conv,
    input=(1, 8, 8),
    smallest=1,
    classes=10,
    variants=(Variant("published", 176_362, 11_225_408, OWN),),
    sizes=(("depth", 20), ("width", 32), ("pool_at", ())),
    norms=NORMS,
    skips=SKIPS,
    heads=1,
    train=TRAIN,
    smallest_for=_smallest,
    check=check_sizes,
)
CARDS = (MLP, CONV)
