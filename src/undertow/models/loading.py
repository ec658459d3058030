"""Weights of a tag, a file or a run into a zoo net, by the rules of each kind of difference.

What must differ (a head for other classes, colours, auxiliary heads) is handled and told; what
would silently compute something else (another norm, another net) is refused with a hint.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.core.inputs import read as read_inputs
from undertow.core.plan import Choices, Plan
from undertow.models import checkpoints
from undertow.models.card import Card
from undertow.models.checkpoints import COUNTER
from undertow.models.download import Progress, cache_folder, fetch
from undertow.models.weights import NAN, UNTRAINED, WEIGHTS, Preprocessing, Weights, named, tagged

AUXILIARY = ("aux", "aux1", "aux2", "AuxLogits")  # first part of the keys of auxiliary heads
BEST = ("best.safetensors", "last.safetensors")  # of a run, the first that is there
OLD_STRIDE = re.compile(r"caffe|(?<![a-z0-9])v1(?!\.?\d)")
COLOURS = 3
HINTS = 3  # models named
ALIKE = 3  # a card of so many times the entries is not looked at: heads differ by less


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file's weights.

    Attributes:
        file: that was read.
        new: paths of layers drawn anew instead.
        notes: what was left out, converted or added.
        warnings: what may make predictions other than published.
        preprocessing: what the weights expect of an image; None: the file does not say.
    """

    file: Path
    new: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    preprocessing: Preprocessing | None


@dataclass(slots=True)
class _Transfer:
    """A file's weights on their way into a net, and what is said of them."""

    net: Any
    state: dict[str, Tensor]
    new: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def drop(self, prefix: str) -> bool:
        """Leave out the keys below a path; whether there were any."""
        found = [key for key in self.state if key.startswith(f"{prefix}.")]
        for key in found:
            del self.state[key]
        return bool(found)

    def keep(self, path: str) -> None:
        """Take the net's own values below a path, drawn anew."""
        self.new.append(path)
        self.drop(path)
        own = self.net.state_dict()
        self.state |= {key: own[key] for key in own if key.startswith(f"{path}.")}


def load(
    net: nn.Module,
    plan: Plan,
    wanted: str | Path,
    cards: Sequence[Card],
    *,
    new_head: bool = False,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Weights into a zoo net, in place.

    Args:
        net: built from `plan`.
        plan: resolved.
        wanted: a published tag of the plan's card, a weight file, or the folder of a run.
        cards: of the zoo, searched for a net that the file would fit.
        new_head: whether logits layers of another size than the file's stay as drawn.
        folder: where downloads are kept; None: in the home folder.
        progress: called with bytes downloaded so far and in all.

    Raises:
        UsageError: no such tag or file, a damaged one, or one that does not fit.
        EnvironmentFaultError: a download failed.
    """
    card = next(c for c in cards if c.name == plan.model)
    path, published = find(card, wanted, folder, progress)
    moved = _Transfer(net, checkpoints.read(path))
    told = checkpoints.about(path)
    _auxiliary(moved, published)
    _ends(moved, new_head)
    _colours(moved)
    _slopes(moved)
    _judge(moved, card, plan, path, published)
    _copy(moved, plan, cards)
    if hasattr(net, "transform_input"):
        asked = published.transform_input if published else bool(told.get("transform_input"))
        moved.net.transform_input = asked and plan.in_channels == COLOURS
    expected = published.preprocessing if published else _preprocessing(told.get("preprocessing"))
    return Loaded(path, tuple(moved.new), tuple(moved.notes), tuple(moved.warnings), expected)


def _preprocessing(given: Any) -> Preprocessing | None:
    """Of square colour images; a file of another input says nothing a published file could."""
    held = read_inputs(given)
    if held is None or not held.image or held.channels != COLOURS or len({*held.size}) > 1:
        return None
    if held.mean is None or held.std is None or held.border is None or held.range != (0.0, 1.0):
        return None
    crop, resize = held.size[0], round(held.size[0] * held.border)
    (r, g, b), (dr, dg, db) = held.mean, held.std
    return Preprocessing(crop, resize if resize != crop else None, (r, g, b), (dr, dg, db))


def find(
    card: Card, wanted: str | Path, folder: Path | None = None, progress: Progress | None = None
) -> tuple[Path, Weights | None]:
    """The file of a tag, a path or a run, downloaded if need be, and what is published of it.

    Raises:
        UsageError: no such tag, file or run.
        EnvironmentFaultError: a download failed.
    """
    entry = tagged(card.name, str(wanted))
    if entry is not None:
        return fetch(entry.url, entry.digest, folder or cache_folder(), progress), entry
    path = Path(wanted)
    if path.is_dir():
        kept = [path / "checkpoints" / name for name in BEST]
        path = next((file for file in kept if file.is_file()), kept[0])
    if card.weights and path.suffix not in (".safetensors", *checkpoints.PICKLED):
        raise UsageError(
            f"weights={str(wanted)!r} is no weight file and no published tag of {card.name};"
            f" choose {', '.join(card.weights)} or give a .safetensors or .pth file"
        )
    return path, _recognised(path, card)


def _recognised(path: Path, card: Card) -> Weights | None:
    """The published file of that name; of nets whose inputs depend on it, also of that content."""
    entry = named(path.name)
    mine = [w for w in WEIGHTS if w.model == card.name]
    if entry is None and path.is_file() and any(w.transform_input for w in mine):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry = next((w for w in mine if digest.startswith(w.digest)), None)
    return entry if entry in mine else None


def _auxiliary(moved: _Transfer, published: Weights | None) -> None:
    held = {part for key in moved.state if (part := key.partition(".")[0]) in AUXILIARY}
    wanted = {path.partition(".")[0] for path in moved.net.heads[1:]}
    for part in sorted(held - wanted):
        moved.drop(part)
        moved.notes.append(f"the file's auxiliary head {part} is left out; aux=True keeps it")
    for part in sorted(wanted - held):
        moved.keep(part)
        moved.notes.append(f"the file has no auxiliary head {part}: it is drawn anew")
    if held & wanted and published is not None and UNTRAINED in published.notes:
        moved.warnings.append(UNTRAINED)


def _ends(moved: _Transfer, new_head: bool) -> None:
    own = moved.net.state_dict()
    for path in moved.net.heads:
        weight = moved.state.get(f"{path}.weight")
        if isinstance(moved.net.get_submodule(path), nn.Identity):
            if moved.drop(path):
                moved.notes.append(f"{path} of the file is left out: the net gives features")
        elif new_head and weight is not None and weight.shape != own[f"{path}.weight"].shape:
            classes = own[f"{path}.weight"].shape[0]
            moved.keep(path)
            moved.notes.append(
                f"{path} is drawn anew: {classes} classes where the file has {weight.shape[0]}"
            )


def _colours(moved: _Transfer) -> None:
    """The first convolution for other channels: summed over colours, or repeated and scaled."""
    first = next(((p, m) for p, m in moved.net.named_modules() if isinstance(m, nn.Conv2d)), None)
    weight = None if first is None else moved.state.get(f"{first[0]}.weight")
    if first is None or weight is None or weight.ndim != first[1].weight.ndim:
        return
    here, there = first[1].weight.shape[1], weight.shape[1]
    other = weight.shape[0] != first[1].weight.shape[0] or there not in (1, COLOURS)
    if here == there or other:
        return
    if here == 1:
        changed = weight.sum(1, keepdim=True)
    else:
        changed = weight[:, [i % there for i in range(here)]] * (there / here)
    moved.state[f"{first[0]}.weight"] = changed
    how = "summed over colours" if here == 1 else f"repeated over {here} channels and scaled"
    moved.notes.append(f"{first[0]} is {how}: the file has {there} channel{'s' * (there > 1)}")


def _slopes(moved: _Transfer) -> None:
    for path, module in moved.net.named_modules():
        if isinstance(module, nn.PReLU) and f"{path}.weight" not in moved.state:
            moved.keep(path)


def _judge(moved: _Transfer, card: Card, plan: Plan, path: Path, published: Weights | None) -> None:
    """What makes predictions other than published, and how the file must be read."""
    own, given = card.variant(plan.variant).choices, plan.choices
    if published is not None:
        changed = [w for w in ("act", "norm", "skip") if getattr(own, w) != getattr(given, w)]
        moved.warnings += [
            f"{word}={getattr(given, word)!r} is not the file's {getattr(own, word)!r}:"
            " its published accuracy no longer applies"
            for word in changed
        ]
        moved.notes += [note for note in published.notes if note not in (UNTRAINED, NAN)]
        if published.transform_input and plan.in_channels != COLOURS:
            moved.warnings.append("the file expects three colours as (x - .5)/.5; give it such")
    nan = [k for k, v in moved.state.items() if v.is_floating_point() and not v.isfinite().all()]
    if nan:
        known = published is not None and NAN in published.notes
        moved.warnings.append(NAN if known else f"the file's {nan[0]} is not finite")
    name = path.name.lower()
    stride = plan.variant == "published" and "layer1.0.conv3.weight" in moved.state
    if stride and OLD_STRIDE.search(name) and "imagenet1k" not in name:
        moved.warnings.append(
            f"{path.name} looks like the paper's form (stride in the first 1x1), which has the same"
            ' keys: build variant="paper" for files of Caffe-style sources'
        )


def _copy(moved: _Transfer, plan: Plan, cards: Sequence[Card]) -> None:
    own, state = moved.net.state_dict(), moved.state
    for key, value in state.items():
        if key in own and own[key].is_floating_point() != value.is_floating_point():
            raise UsageError(f"{key} is {value.dtype} in the file and {own[key].dtype} in the net")
    kinds = {str(v.dtype) for k, v in state.items() if k in own and v.dtype != own[k].dtype}
    if kinds:
        moved.notes.append(f"converted from {', '.join(sorted(kinds))}")
    try:
        checkpoints.load(moved.net, state)
    except UsageError as error:
        near = fitting(state, cards)
        hint = f" The file fits {' or '.join(near[:HINTS])}." if near else ""
        raise UsageError(f"{error}.{hint}" if hint else str(error)) from None


def fitting(state: dict[str, Tensor], cards: Sequence[Card]) -> tuple[str, ...]:
    """Names of cards, with the choices needed, whose layers have the file's keys and shapes."""
    found = []
    held = {k: tuple(v.shape) for k, v in state.items() if not k.endswith(COUNTER)}
    first = next(iter(held.items()), None)
    size = sum(v.numel() for k, v in state.items() if k.partition(".")[0] not in AUXILIARY)
    for card in cards:
        for variant in card.variants:
            if not 1 / ALIKE < size / variant.parameters < ALIKE:
                continue
            plan = card.resolve(Plan(card.name, Choices(aux=0), variant=variant.name))
            with torch.device("meta"):
                net: Any = card.build(plan, card.shape(plan))
            body = {k: tuple(v.shape) for k, v in net.state_dict().items()}
            if first is None or body.get(first[0]) != first[1]:
                continue
            head = net.heads[0]
            if _body(held, head) == _body(body, head):
                found.append(_named(card, variant.name, held.get(f"{head}.weight", ())))
                break  # variants of the same keys cannot be told apart
    return tuple(found)


def _body(shapes: dict[str, tuple[int, ...]], head: str) -> dict[str, tuple[int, ...]]:
    return {
        key: shape
        for key, shape in shapes.items()
        if not key.endswith(COUNTER)
        and not key.startswith(f"{head}.")
        and key.partition(".")[0] not in AUXILIARY
    }


def _named(card: Card, variant: str, head: tuple[int, ...]) -> str:
    same = card.variants[0].name == variant
    classes = f" with classes={head[0]}" if head and head[0] != card.classes else ""
    return f"{card.name}{'' if same else f' with variant={variant}'}{classes}"
