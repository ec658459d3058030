"""`ut.apply`: a remedy made on a copy of any network."""

from torch import nn

from undertow.core.errors import UsageError, unknown
from undertow.core.finding import Remedy
from undertow.nn.layout import layout
from undertow.nn.surgery import POSSIBLE, edited
from undertow.remedies import REMEDIES

__all__ = ["apply"]


def apply(net: nn.Module, remedy: str | Remedy) -> nn.Module:
    """A changed copy of a network; weights that the remedy does not draw again are kept.

    Args:
        net: any module; never changed itself. Its layers are taken in order of registration.
        remedy: a word, or a remedy of a report.

    Raises:
        UsageError: an unknown word; a remedy that changes the training and not the net, which
            `repair` does; or one that this net has no place for.
    """
    chosen = named(remedy) if isinstance(remedy, str) else remedy
    own = [e for e in chosen.change if e.field in POSSIBLE]
    if not own:
        fields = ", ".join(e.field for e in chosen.change) or "nothing by itself"
        raise UsageError(
            f"{chosen.name} changes {fields}: there is no place for that in a module; "
            "repair makes such changes in the training or in the plan"
        )
    return edited(net, own, layout(net))


def named(word: str) -> Remedy:
    """The remedy of a word.

    Raises:
        UsageError: no such remedy; names the nearest.
    """
    found = {r.name: r for r in REMEDIES}
    if word not in found:
        raise unknown("remedy", word, found)
    return found[word]
