"""Ten views of an image: four corners and the centre, and their mirror images."""

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.augment import resized

COUNTS = (1, 10)


def ten(image: Tensor, size: tuple[int, int], border: float) -> Tensor:
    """The ten crops of Krizhevsky et al. 2012 (sec. 4.1), centre last: (C, h, w) -> (10, C, H, W).

    The shorter side is resized to `border` times the crop's first, as for the one centre crop.

    Raises:
        UsageError: a border of 1, with which all five crops would be one.
    """
    if border <= 1:
        raise UsageError("10 crops need a border around the crop, and this net takes the whole"
                         " image; give --crops 1")  # fmt: skip
    height, width = image.shape[1:]
    factor = max(size[0] * border / height, size[1] * border / width)
    whole = max(size[0], round(height * factor)), max(size[1], round(width * factor))
    image = resized(image, whole)
    down, right = whole[0] - size[0], whole[1] - size[1]
    corners = ((0, 0), (0, right), (down, 0), (down, right), ((down + 1) // 2, (right + 1) // 2))
    five = torch.stack([image[:, t : t + size[0], s : s + size[1]] for t, s in corners])
    return torch.cat((five, five.flip(-1)))


def averaged(outputs: Tensor, crops: int, word: str) -> Tensor:
    """Logits whose probabilities are the mean over each image's crops: (N·crops, C) -> (N, C).

    Args:
        outputs: logits, the crops of an image in a row.
        crops: of an image.
        word: of the loss; `bce` and one unit have sigmoids, others a softmax.
    """
    if crops == 1:
        return outputs
    views = outputs.double().view(-1, crops, outputs.shape[1])
    if word == "bce" or outputs.shape[1] == 1:
        return torch.logit(views.sigmoid().mean(1))
    return views.log_softmax(2).logsumexp(1)  # - log(crops), which a softmax does not see
