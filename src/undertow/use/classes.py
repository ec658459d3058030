"""The classes of a data set as outputs of a net: by name where both have names."""

from dataclasses import dataclass

import torch
from torch import Tensor

from undertow.core.errors import UsageError
from undertow.data.arrays import Arrays

SHOWN = 5  # names in an error
UNIT = ("0", "1")  # classes of one sigmoid unit without names


@dataclass(frozen=True, eq=False)
class Aligned:
    """Labels as places among the outputs, (N,), the outputs' names, and what was assumed."""

    y: Tensor
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def aligned(data: Arrays, names: tuple[str, ...], outputs: int) -> Aligned:
    """The labels of the data in the order of a net's outputs.

    Args:
        data: with class labels.
        names: of the net's classes; () where it has none.
        outputs: of the net; one unit has two classes.

    Raises:
        UsageError: more classes than outputs, or names that the net does not know.
    """
    count = max(outputs, len(UNIT))
    if names and len(names) != count:
        raise UsageError(f"the net has {count} classes and {len(names)} names ({_few(names)});"
                         " give as many names")  # fmt: skip
    numbers = data.names == _numbers(len(data.names)) and not set(data.names) <= set(names)
    named = () if numbers else data.names  # a list of path,label may hold numbers
    if named and names:
        return Aligned(_by_name(data, named, names)[data.y], names)
    if named:
        return _in_order(data, named, count)
    least = int(data.y.max()) + 1
    if least > count:
        raise UsageError(f"the net has {count} classes and the data label up to {least - 1};"
                         " evaluate a net with that many outputs, or mend the labels")  # fmt: skip
    return Aligned(data.y, names or _numbers(count))


def _by_name(data: Arrays, named: tuple[str, ...], names: tuple[str, ...]) -> Tensor:
    strange = [name for name in named if name not in names]
    if strange:
        raise UsageError(
            f"{data.name} has the classes {_few(tuple(strange))}, which the net does not know; it"
            f" knows {_few(names)}: rename the folders, or give the outputs' --names in order"
        )
    return torch.tensor([names.index(name) for name in named])


def _in_order(data: Arrays, named: tuple[str, ...], count: int) -> Aligned:
    if len(named) != count:
        raise UsageError(
            f"the net has {count} outputs without names, {data.name} has {len(named)} classes"
            f" ({_few(named)}): give the outputs' --names in order, with commas or in a file"
        )
    note = f"the net does not name its classes: taken in the data's order, {_few(named)}"
    return Aligned(data.y, named, (note,))


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(i) for i in range(count))


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
