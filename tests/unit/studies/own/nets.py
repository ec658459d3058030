"""Small networks of a user, with something known of each."""

from torch import nn

from undertow.api.subject import subject
from undertow.studies.own import Subject


def chain(act: type[nn.Module], depth: int = 6, width: int = 32) -> nn.Sequential:
    """Digits into `depth` linear layers with an activation, then a head."""
    parts: list[nn.Module] = [nn.Flatten(), nn.Linear(64, width), act()]
    for _ in range(depth - 1):
        parts += [nn.Linear(width, width), act()]
    return nn.Sequential(*parts, nn.Linear(width, 10))


def sigmoids() -> nn.Module:
    """A net whose first layer hears nothing."""
    return chain(nn.Sigmoid)


def relus() -> nn.Module:
    """A net that learns the digits."""
    return chain(nn.ReLU, depth=3)


def unbiased() -> nn.Module:
    """ReLUs without biases: twice the weights are twice the output of each layer, exactly."""
    net = relus()
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return net


def tiny() -> nn.Module:
    """One layer: a profile over depth has nothing to show."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def asked(make: str) -> Subject:
    """One of them as typed."""
    return subject(f"{__name__}:{make}", "digits")
