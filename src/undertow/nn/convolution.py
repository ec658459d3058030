"""A convolution with its norm and activation, named as in the published checkpoints."""

from torch import Tensor, nn

from undertow.nn.recipe import Recipe

Pair = int | tuple[int, int]


class ConvNorm(nn.Module):
    """Convolution, norm, activation. (N, C_in, H, W) -> (N, width, H', W')."""

    def __init__(
        self,
        c_in: int,
        width: int,
        kernel: Pair,
        recipe: Recipe,
        stride: int = 1,
        padding: Pair = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, width, kernel, stride, padding, bias=recipe.needs_bias)
        self.bn = recipe.norm_or_identity(width)
        self.act = recipe.act(width)

    def forward(self, x: Tensor) -> Tensor:
        """The activated map."""
        y: Tensor = self.act(self.bn(self.conv(x)))
        return y
