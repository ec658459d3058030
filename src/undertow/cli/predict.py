"""`undertow predict`."""

import json as text
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import Counter, machine

if TYPE_CHECKING:
    from undertow.core.prediction import Prediction

FAILED = 2
SMALL = 0.001  # probability below which a further class is not shown
LONG = 40  # letters of a file's name in the table
HOW: o.Group = {
    "top": (Annotated[int, typer.Option(min=1, help="Classes told of each image.")], 5),
    "precision": (
        Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 for large nets where fast.")],
        "fp32",
    ),
    "fast": (
        Annotated[str, typer.Option(help="on: fused where it agrees with the net; off.")],
        "on",
    ),
    "transform": (
        Annotated[str | None, typer.Option(help="file.py:name of your own pipeline.")],
        None,
    ),
}
EXPLAIN: o.Group = {
    "explain": (
        Annotated[
            str | None, typer.Option(help="Folder for pictures: Grad-CAM of each image, filters.")
        ],
        None,
    ),
    "layer": (
        Annotated[
            str | None, typer.Option(help="Module whose maps are weighed and drawn, as layer4.")
        ],
        None,
    ),
    "target": (
        Annotated[str | None, typer.Option("--class", help="Explained class; the one predicted.")],
        None,
    ),
}

Run = Annotated[str, typer.Argument(help="A run folder, a weight file, or MODEL with --weights.")]
Images = Annotated[list[str], typer.Argument(help="Image files and folders of them.")]


@o.takes(o.OPENED, HOW, EXPLAIN)
def predict(
    run: Run,
    images: Images,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Say what is on images: class, probability and the next likely classes of each.

    undertow predict runs/my-run photos/

    undertow predict resnet50 cat.jpg --weights imagenet

    undertow predict runs/my-run cat.jpg --explain why/

    A file that is no image is a line of its own; exit code 2 if all of them are.
    """
    from undertow.api.predict import How, listed, predictions, transform_of

    def tell(line: str) -> None:
        if not quiet:
            print(f"undertow: {line}", file=sys.stderr)

    items = listed(images)
    source = o.opened(run, given)
    for note in source.notes:
        tell(f"note: {note}")
    tell(f"{source.name}: {source.inputs.words() if source.inputs else 'inputs unknown'}")
    how = How(
        given["top"],
        given["precision"],
        _fast(given["fast"]),
        transform_of(given["transform"]),
        tell,
    )
    with Counter("images", quiet=quiet or json) as counter:
        good = _printed(predictions(source, images, how), counter, len(items), json=json)
    if not good:
        raise typer.Exit(FAILED)
    if given["explain"] is not None:
        _explained(source, images, how, given, tell)


def _explained(
    source: Any, images: list[str], how: Any, given: dict[str, Any], tell: Callable[[str], None]
) -> None:
    """Pictures of why, a line on stderr each."""
    from pathlib import Path

    from undertow.api.predict import Wish, explained

    wish = Wish(Path(given["explain"]), given["layer"], given["target"], how.transform)
    for one in explained(source, images, wish):
        why = f"nothing in {one.layer} speaks for it" if one.blank else f"by {one.layer}"
        files = ", ".join(str(file) for file in one.files)
        tell(f"{one.image}: {one.label}, {why}: {files}")


def _fast(word: str) -> bool:
    from undertow.core.errors import unknown

    if word not in ("on", "off"):
        raise unknown("fast", word, ("on", "off"))
    return word == "on"


def _printed(made: "Iterator[Prediction]", counter: Counter, count: int, *, json: bool) -> int:
    """How many had no error; a line for each as it comes."""
    from undertow.core.codec import encode

    good = 0
    for place, one in enumerate(made, 1):
        counter.tell(place, count)
        good += one.error is None
        machine(text.dumps(encode(one), ensure_ascii=False) if json else _line(one))
    return good


def _line(one: "Prediction") -> str:
    name = one.image if len(one.image) <= LONG else "..." + one.image[3 - LONG :]
    if one.error is not None:
        return f"{name:<{LONG}}  error: {one.error}"
    if one.values:
        return f"{name:<{LONG}}  " + "  ".join(f"{v:.6g}" for v in one.values)
    first, *rest = one.top
    shown = "  ".join(f"{g.label} {g.probability:.1%}" for g in rest if g.probability >= SMALL)
    return f"{name:<{LONG}}  {first.label:<16} {first.probability:>6.1%}  {shown}".rstrip()
