"""What is minimised: the loss with class weights and label smoothing, and what a sample weighs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from undertow.core.errors import UsageError, unknown
from undertow.core.plan import TrainChoices
from undertow.nn.loss import Criterion

BALANCES = ("none", "inverse", "effective", "sampler")
WEIGHTS = ("inverse", "effective")  # those that weigh classes in the loss
LISTED = 5  # class names in a note
UNEVEN = 10.0  # largest class over smallest from which it is told
BETA = 0.9999  # of the effective number of samples: Cui et al. 2019, eq. 2


@dataclass(frozen=True, eq=False)
class Objective:
    """A loss for training, and what a batch weighs in the mean of a step.

    Attributes:
        loss_fn: (outputs, targets) -> mean loss.
        mass: labels -> their number, or the sum of their class weights.
    """

    loss_fn: Criterion
    mass: Callable[[Tensor], float] = len


def class_weights(counts: Tensor, balance: str) -> Tensor:
    """Weight of every class, mean 1 over the classes seen: 1/n, or (1 − β)/(1 − βⁿ)."""
    n = counts.double().clamp_min(1)
    weights = 1 / n if balance == "inverse" else (1 - BETA) / (1 - BETA**n)
    weights = torch.where(counts > 0, weights, torch.zeros_like(weights))
    return (weights * (counts > 0).sum() / weights.sum()).float()


def imbalance(y: Tensor, classes: int) -> float:
    """Samples of the largest class over those of the smallest one there is; 1 without classes."""
    counts = y.bincount(minlength=classes) if classes else torch.ones(1)
    seen = counts[counts > 0]
    return float(seen.max() / seen.min()) if len(seen) else 1.0


def uneven(data_y: Tensor, classes: int, balance: str) -> tuple[str, ...]:
    """What to say before training where classes are uneven and nothing answers it."""
    ratio = imbalance(data_y, classes)
    if ratio <= UNEVEN or balance != "none":
        return ()
    return (
        f"classes are uneven, {ratio:.0f} to 1: --balance inverse (or effective) weighs them,"
        " --balance sampler draws them alike; best is chosen by balanced accuracy",
    )


def scarce(y: Tensor, classes: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Classes of which the training part has one sample or none, in words."""
    if not classes:
        return ()
    counts = y.bincount(minlength=classes).tolist()
    said = []
    for many, word in ((1, "one sample only"), (0, "no sample")):
        found = [names[k] if names else str(k) for k, n in enumerate(counts) if n == many]
        more = ", ..." if len(found) > LISTED else ""
        if found:
            said.append(
                f"{word} of {len(found)} of {classes} classes to train on:"
                f" {', '.join(found[:LISTED])}{more}"
            )
    return tuple(said)


def unlike(choices: TrainChoices) -> tuple[str, ...]:
    """Why training figures are not held-back ones, in words, where inputs or labels are changed."""
    mixed = choices.mixup or choices.cutmix
    of = [
        *(["mixed inputs"] if mixed else []),
        *(["smoothed labels"] if choices.label_smoothing else []),
        *(["weighted classes"] if choices.balance in WEIGHTS else []),
    ]
    if not of:
        return ()
    right = ", its share right of their main label" if mixed else ""
    return (
        f"the training loss is of {' and '.join(of)}{right}; held-back figures are of samples as"
        " they are: do not compare the two",
    )


def sample_weights(y: Tensor, classes: int) -> Tensor:
    """Odds of every sample under which all classes are drawn alike."""
    return 1.0 / y.bincount(minlength=classes)[y].float()


def smoothed(outputs: Tensor, targets: Tensor, weights: Tensor | None, epsilon: float) -> Tensor:
    """Σ w[y]·((1 − ε)·nll + ε·mean over classes of −log p) / Σ w[y].

    Torch's own combination weights the smoothing term by every class's weight instead of w[y],
    so a rare class pulls all samples (pytorch issue 104776).
    """
    logs = F.log_softmax(outputs, dim=1)
    nll = -logs.gather(1, targets.unsqueeze(1)).squeeze(1)
    each = (1 - epsilon) * nll - epsilon * logs.mean(1)
    if weights is None:
        return each.mean()
    mine = weights.to(each.device)[targets]
    return (mine * each).sum() / mine.sum()


def objective(choices: TrainChoices, plain: Criterion, word: str, counts: Tensor) -> Objective:
    """What the choices make of a plain loss.

    Args:
        choices: balance and label_smoothing are looked at.
        plain: the loss without them.
        word: its name, "" for a user's own.
        counts: samples of every class in the training part.

    Raises:
        UsageError: an unknown word, a share out of range, or a loss that cannot take them.
    """
    if choices.balance not in BALANCES:
        raise unknown("balance", choices.balance, BALANCES)
    epsilon = choices.label_smoothing
    if not 0 <= epsilon < 1:
        raise UsageError(f"label_smoothing={epsilon} is no share; give one from 0 to below 1")
    weighted = choices.balance in WEIGHTS
    if not weighted and not epsilon:
        return Objective(plain)
    if word != "cross-entropy":
        what = "class weights" if weighted else "label smoothing"
        raise UsageError(f"{what} need loss=cross-entropy, not {word or 'a loss of your own'}")
    weights = class_weights(counts, choices.balance) if weighted else None

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        return smoothed(outputs, targets, weights, epsilon)

    if weights is None:
        return Objective(loss_fn)
    table = weights

    def mass(y: Tensor) -> float:
        return float(table.to(y.device)[y].sum())

    return Objective(loss_fn, mass)
