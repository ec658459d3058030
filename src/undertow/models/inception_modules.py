"""The modules of Inception-v3: Szegedy et al., CVPR 2016, figures 5, 6, 7 and 10.

Names of parts are those of the published checkpoint; branches are concatenated in its order.
"""

import torch
from torch import Tensor, nn

from undertow.nn.convolution import ConvNorm
from undertow.nn.recipe import Recipe


class InceptionA(nn.Module):
    """Fig. 5 with its 5x5 kept. (N, C_in, H, W) -> (N, 224 + pool, H, W)."""

    def __init__(self, c_in: int, pool: int, recipe: Recipe) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(c_in, 64, 1, recipe)
        self.branch5x5_1 = ConvNorm(c_in, 48, 1, recipe)
        self.branch5x5_2 = ConvNorm(48, 64, 5, recipe, padding=2)
        self.branch3x3dbl_1 = ConvNorm(c_in, 64, 1, recipe)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, recipe, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, recipe, padding=1)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNorm(c_in, pool, 1, recipe)

    def forward(self, x: Tensor) -> Tensor:
        """Branches 1x1, 5x5, double 3x3, pool."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(self.pool(x))], 1)


class ReductionA(nn.Module):
    """Mixed_6a, fig. 10. (N, 288, 35, 35) -> (N, 768, 17, 17)."""

    def __init__(self, c_in: int, recipe: Recipe) -> None:
        super().__init__()
        self.branch3x3 = ConvNorm(c_in, 384, 3, recipe, stride=2)
        self.branch3x3dbl_1 = ConvNorm(c_in, 64, 1, recipe)
        self.branch3x3dbl_2 = ConvNorm(64, 96, 3, recipe, padding=1)
        self.branch3x3dbl_3 = ConvNorm(96, 96, 3, recipe, stride=2)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Branches 3x3, double 3x3, pool."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, self.pool(x)], 1)


class InceptionB(nn.Module):
    """Fig. 6: 7x7 as 1x7 and 7x1, inner width c. (N, 768, H, W) -> the same."""

    def __init__(self, c_in: int, c: int, recipe: Recipe) -> None:
        super().__init__()
        flat, tall = ((1, 7), (0, 3)), ((7, 1), (3, 0))
        self.branch1x1 = ConvNorm(c_in, 192, 1, recipe)
        self.branch7x7_1 = ConvNorm(c_in, c, 1, recipe)
        self.branch7x7_2 = ConvNorm(c, c, flat[0], recipe, padding=flat[1])
        self.branch7x7_3 = ConvNorm(c, 192, tall[0], recipe, padding=tall[1])
        self.branch7x7dbl_1 = ConvNorm(c_in, c, 1, recipe)
        self.branch7x7dbl_2 = ConvNorm(c, c, tall[0], recipe, padding=tall[1])
        self.branch7x7dbl_3 = ConvNorm(c, c, flat[0], recipe, padding=flat[1])
        self.branch7x7dbl_4 = ConvNorm(c, c, tall[0], recipe, padding=tall[1])
        self.branch7x7dbl_5 = ConvNorm(c, 192, flat[0], recipe, padding=flat[1])
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNorm(c_in, 192, 1, recipe)

    def forward(self, x: Tensor) -> Tensor:
        """Branches 1x1, 7x7, double 7x7, pool."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(self.pool(x))], 1)


class ReductionB(nn.Module):
    """Mixed_7a. (N, 768, 17, 17) -> (N, 1280, 8, 8)."""

    def __init__(self, c_in: int, recipe: Recipe) -> None:
        super().__init__()
        self.branch3x3_1 = ConvNorm(c_in, 192, 1, recipe)
        self.branch3x3_2 = ConvNorm(192, 320, 3, recipe, stride=2)
        self.branch7x7x3_1 = ConvNorm(c_in, 192, 1, recipe)
        self.branch7x7x3_2 = ConvNorm(192, 192, (1, 7), recipe, padding=(0, 3))
        self.branch7x7x3_3 = ConvNorm(192, 192, (7, 1), recipe, padding=(3, 0))
        self.branch7x7x3_4 = ConvNorm(192, 192, 3, recipe, stride=2)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Branches 3x3, 7x7 and 3x3, pool."""
        seven = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        three = self.branch3x3_2(self.branch3x3_1(x))
        return torch.cat([three, self.branch7x7x3_4(seven), self.pool(x)], 1)


class InceptionC(nn.Module):
    """Fig. 7: 1x3 beside 3x1. (N, C_in, H, W) -> (N, 2048, H, W)."""

    def __init__(self, c_in: int, recipe: Recipe) -> None:
        super().__init__()
        self.branch1x1 = ConvNorm(c_in, 320, 1, recipe)
        self.branch3x3_1 = ConvNorm(c_in, 384, 1, recipe)
        self.branch3x3_2a = ConvNorm(384, 384, (1, 3), recipe, padding=(0, 1))
        self.branch3x3_2b = ConvNorm(384, 384, (3, 1), recipe, padding=(1, 0))
        self.branch3x3dbl_1 = ConvNorm(c_in, 448, 1, recipe)
        self.branch3x3dbl_2 = ConvNorm(448, 384, 3, recipe, padding=1)
        self.branch3x3dbl_3a = ConvNorm(384, 384, (1, 3), recipe, padding=(0, 1))
        self.branch3x3dbl_3b = ConvNorm(384, 384, (3, 1), recipe, padding=(1, 0))
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNorm(c_in, 192, 1, recipe)

    def forward(self, x: Tensor) -> Tensor:
        """Branches 1x1, 1x3 beside 3x1, the same behind a 3x3, pool."""
        three = self.branch3x3_1(x)
        three = torch.cat([self.branch3x3_2a(three), self.branch3x3_2b(three)], 1)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = torch.cat([self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)], 1)
        return torch.cat([self.branch1x1(x), three, double, self.branch_pool(self.pool(x))], 1)
