"""What stands before the first layer: the size an input must have, and the inputs of old files."""

from torch import Tensor

from undertow.core.errors import UsageError

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's training images, by colour, on the scale 0 to 1
STD = (0.229, 0.224, 0.225)
HALF = 0.5  # the files converted from TensorFlow were trained on (x - .5)/.5


def fits(x: Tensor, smallest: int) -> Tensor:
    """`x` (N, C, H, W), where both sides have `smallest` pixels or more.

    Raises:
        UsageError: a smaller one; names both.
    """
    height, width = x.shape[-2:]
    if height < smallest or width < smallest:
        raise UsageError(
            f"this network needs {smallest} px or more a side and the input has {height}x{width};"
            f" resize it to {smallest}x{smallest} or choose another model"
        )
    return x


def from_imagenet(x: Tensor) -> Tensor:
    """Images normalised by ImageNet's mean and std, as (x - .5)/.5; (N, 3, H, W) -> the same."""
    mean, std = x.new_tensor(MEAN), x.new_tensor(STD)
    scale, shift = std / HALF, (mean - HALF) / HALF
    return x * scale[:, None, None] + shift[:, None, None]
