"""`undertow data`."""

import json as text
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from undertow.cli import options as o
from undertow.cli.output import machine

if TYPE_CHECKING:
    from undertow.api.data import Found

SHOWN = 10  # lines of each list


def data(
    source: Annotated[
        str,
        typer.Argument(help="A folder of class folders, .csv, IDX, CIFAR binary, .npz, digits."),
    ],
    json: o.Json = False,
) -> None:
    """Show what a data source holds: classes, sizes, bad files, duplicates. Decodes every image."""
    from undertow.api.data import describe
    from undertow.core.codec import encode

    found = describe(source)
    if json:
        machine(text.dumps(encode(found), ensure_ascii=False))
        return
    print("\n".join(_lines(found)))
    if found.notes:
        print(*(f"note: {note}" for note in found.notes), sep="\n", file=sys.stderr)


def _lines(found: "Found") -> list[str]:
    lines = [f"{found.name}: {len(found.classes)} classes"]
    for part in found.parts:
        shape = "x".join(map(str, part.shape))
        lines.append(f"{part.name:<11} {part.samples} samples of {shape}")
        if part.counts:
            low, high = min(part.counts), max(part.counts)
            lines.append(f"  a class    {low} to {high} samples")
            if low != high:
                rows = list(zip(found.classes, part.counts, strict=True))
                lines += [f"    {count:>7}  {name}" for name, count in rows[:SHOWN]]
                lines += [f"    ... {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
        if part.low is not None:
            lines.append(f"  values     {part.low:g} to {part.high:g}")
        if part.sides is not None:
            lines.append(f"  sides      {part.sides[0]} to {part.sides[1]} pixels")
        if part.kinds:
            lines.append("  kinds      " + ", ".join(f"{n} {kind}" for kind, n in part.kinds))
        if part.rotated:
            lines.append(f"  turned     {part.rotated} by their EXIF entry; they are set upright")
        if part.bad:
            lines.append(f"  bad        {len(part.bad)} files")
            lines += [f"    {why}" for _, why in part.bad[:SHOWN]]
    if found.duplicates:
        lines.append(
            f"duplicates  {len(found.duplicates)} groups, {len(found.across)} across parts"
        )
        lines += ["    " + " = ".join(group[:4]) for group in found.duplicates[:SHOWN]]
    return lines
