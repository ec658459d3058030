"""What trains when, and how fast: a pure function of the plan, the net's parts and the epoch."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from torch import nn
from torch.optim import Optimizer

from undertow.core.errors import UsageError, unknown
from undertow.core.plan import TrainChoices
from undertow.nn.freezing import Still, digests, train_only
from undertow.nn.norm import word_of
from undertow.nn.parts import Part

BODY, ALL, NONE = "body", "all", "none"
MATRIX = 2  # axes of a weight that is no scale, shift or bias
STEPWISE = "one-stage-per-epoch"

Begins = Mapping[str, int | None]  # parameter or module -> epoch it trains from; None: never


@dataclass(frozen=True)
class Freezing:
    """A plan's freezing on a net's parts.

    Attributes:
        parts: near input first, the head last.
        parameters: the epoch each begins to train at.
        modules: likewise, of modules without children: their mode.
        choices: rates and warm-up.
    """

    parts: tuple[Part, ...]
    parameters: Begins
    modules: Begins
    choices: TrainChoices

    @property
    def frozen(self) -> bool:
        """Whether anything is frozen at the start."""
        return any(begin != 0 for begin in self.parameters.values())

    @cached_property
    def changes(self) -> tuple[int, ...]:
        """Epochs after the start at whose beginning more is trained."""
        return tuple(sorted({b for b in (*self.parameters.values(), *self.modules.values()) if b}))

    def training(self, epoch: int) -> set[str]:
        """Names of the parameters that train in an epoch."""
        return {name for name, begin in self.parameters.items() if _on(begin, epoch)}

    def still(self, epoch: int) -> set[str]:
        """Paths of the modules kept in eval mode in an epoch."""
        return {path for path, begin in self.modules.items() if not _on(begin, epoch)}

    @property
    def head_alone(self) -> int | None:
        """Epochs in which the head alone trains, None to the end; 0 where more trains at once."""
        if not self.frozen or not self.training(0) <= set(self.parts[-1].parameters):
            return 0
        return self.changes[0] if self.changes else None

    def share(self, part: Part) -> float:
        """A part's rate over the head's: decay^k for the k-th from it, or evenly down the slice.

        Layer-wise rates: Howard & Ruder 2018, sec. 3.2; the slice is in equal ratios.
        """
        behind = len(self.parts) - 1 - self.parts.index(part)
        if not self.choices.layer_lr:
            return float(self.choices.layer_decay**behind)
        lowest, highest = self.choices.layer_lr
        return float((lowest / highest) ** (behind / max(1, len(self.parts) - 1)))

    def lowered(self, epoch: int) -> float:
        """What every rate is multiplied by: `unfrozen_lr` from the first unfreezing on."""
        begun = bool(self.changes) and epoch >= self.changes[0]
        return self.choices.unfrozen_lr if begun else 1.0


def _on(begin: int | None, epoch: int) -> bool:
    return begin is not None and begin <= epoch


def freezing(choices: TrainChoices, net: nn.Module, parts: tuple[Part, ...]) -> Freezing:
    """The plan's `freeze` and `unfreeze` on a net.

    Raises:
        UsageError: a word that is no stage, a pattern that matches nothing (names what is near),
            an epoch that cannot be, rates that do not train.
    """
    _rates(choices)
    held = _Chosen(net, parts)
    frozen = held.frozen(choices)
    if not any(frozen.values()) and choices.unfreeze:
        raise UsageError(
            f"unfreeze={choices.unfreeze!r} needs something frozen; give freeze={BODY!r} or a stage"
        )
    names: dict[str, int | None] = {name: None if frozen[name] else 0 for name in frozen}
    for epoch, word in unfreezings(choices, parts):
        for name in held.behind(word, "unfreeze"):
            names[name] = epoch if names[name] is None else names[name]
    weights = {name for name, _ in net.named_parameters()}
    if not any(_on(names[name], 0) for name in weights):
        raise UsageError(
            f"freeze={choices.freeze!r} leaves nothing to train; leave the head out, as"
            f" freeze={BODY!r} does"
        )
    return Freezing(
        parts,
        {name: begin for name, begin in names.items() if name in weights},
        {name: begin for name, begin in names.items() if name not in weights},
        choices,
    )


def unfreezings(choices: TrainChoices, parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    """(epoch, word) of every unfreezing of a plan, in order.

    Raises:
        UsageError: no number and word, or an epoch before 1.
    """
    text = choices.unfreeze or ""
    if text == STEPWISE:
        yield from ((i, part.name) for i, part in enumerate(reversed(parts[:-1]), 1))
        return
    found = []
    for pair in filter(None, text.split(",")):
        epoch, _, word = pair.partition(":")
        if not epoch.strip().isdigit() or not word.strip() or int(epoch) < 1:
            raise UsageError(
                f"unfreeze={text!r} is unclear at {pair!r}; give epochs from 1 with a stage, as"
                f" 1:layer4,2:layer3, or {STEPWISE}"
            )
        found.append((int(epoch), word.strip()))
    yield from sorted(found)


class _Chosen:
    """Words of `freeze` and `unfreeze` as names of parameters and paths of modules."""

    def __init__(self, net: nn.Module, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.weights = [name for name, _ in net.named_parameters()]
        self.modules = dict(net.named_modules())
        self.leaves = [path for part in parts for path in part.modules]

    def frozen(self, choices: TrainChoices) -> dict[str, bool]:
        """Whether each parameter, and each module's mode, is frozen at the start."""
        chosen = set(self._named(choices.freeze or NONE))
        chosen |= {path for path in self.leaves if self._whole(path, chosen)}
        if choices.train_norm:
            chosen -= {name for name in chosen if self._normed(name)}
        return {name: name in chosen for name in (*self.weights, *self.leaves)}

    def _named(self, word: str) -> Collection[str]:
        if word == NONE:
            return ()
        names = [part.name for part in self.parts]
        if word == BODY:
            return self._of(self.parts[:-1])
        if word in names:
            return self._of(self.parts[: names.index(word) + 1])
        return self._matching(word, "freeze")

    def behind(self, word: str, option: str) -> Collection[str]:
        """What `word` lets train: a stage and all behind it, everything, or what a path matches."""
        names = [part.name for part in self.parts]
        if word in (ALL, BODY):
            return self._of(self.parts)
        if word in names:
            return self._of(self.parts[names.index(word) :])
        return self._matching(word, option)

    def _of(self, parts: Sequence[Part]) -> set[str]:
        return {name for part in parts for name in (*part.parameters, *part.modules)}

    def _matching(self, word: str, option: str) -> set[str]:
        found: set[str] = set()
        for pattern in filter(None, (p.strip() for p in word.split(","))):
            hit = {n for n in (*self.weights, *self.leaves) if _matches(n, pattern)}
            if not hit:
                raise self._nothing(option, pattern)
            found |= hit
        return found

    def _nothing(self, option: str, pattern: str) -> UsageError:
        paths = [p for p in self.modules if p] + self.weights
        stages = [part.name for part in self.parts[:-1]]
        near = str(unknown(option, pattern, [*stages, *paths]))
        hint = near[near.find(" (did") : near.find(")") + 1] if "(did you mean" in near else ""
        return UsageError(
            f"{option}={pattern!r} is no stage and matches no path{hint}; choose"
            f" {', '.join([BODY, *stages])}, or patterns of paths with commas between them"
        )

    def _whole(self, path: str, chosen: set[str]) -> bool:
        own = [name for name in self.weights if name.rpartition(".")[0] == path]
        return bool(own) and all(name in chosen for name in own)

    def _normed(self, name: str) -> bool:
        path = name if name in self.modules else name.rpartition(".")[0]
        return bool(word_of(self.modules[path]))


def _matches(name: str, pattern: str) -> bool:
    """Whether a path, or one it lies under, matches."""
    steps = name.split(".")
    return any(fnmatchcase(".".join(steps[:n]), pattern) for n in range(1, len(steps) + 1))


def _rates(choices: TrainChoices) -> None:
    if not 0 < choices.layer_decay <= 1:
        raise UsageError(f"layer_decay={choices.layer_decay} is no decay; give one in (0, 1]")
    if not choices.unfrozen_lr > 0:
        raise UsageError(f"unfrozen_lr={choices.unfrozen_lr} stops training; give one above 0")
    if choices.lr is not None and not choices.lr > 0:
        raise UsageError(f"lr={choices.lr} does not train the head; give a number above 0")
    slice_ = choices.layer_lr
    if slice_ and not (len(slice_) == 2 and 0 < slice_[0] <= slice_[1]):
        raise UsageError(f"layer_lr={slice_} is no slice; give (lowest, highest), both above 0")
    if slice_ and choices.layer_decay != 1:
        raise UsageError("layer_lr and layer_decay exclude each other; give one")


def wanted(choices: TrainChoices) -> bool:
    """Whether a plan freezes anything or gives parts rates of their own."""
    held = choices.freeze not in (None, NONE) or choices.unfreeze
    return bool(held or choices.layer_decay != 1 or choices.layer_lr)


def by_part(plan: Freezing, net: nn.Module, *, lr: float, bare: bool) -> list[Any]:
    """Parameter groups for an optimiser, the head's first: all parameters, a rate a part.

    Args:
        plan: says when each begins to train.
        net: the module.
        lr: of the head.
        bare: whether scales, shifts and biases are groups without decay.
    """
    named = dict(net.named_parameters())
    held: dict[tuple[str, int | None, bool], list[nn.Parameter]] = {}
    rates = {part.name: lr * plan.share(part) for part in plan.parts}
    for part in reversed(plan.parts):
        for name in part.parameters:
            free = bare and named[name].ndim < MATRIX
            held.setdefault((part.name, plan.parameters[name], free), []).append(named[name])
    return [
        {"params": params, "lr": rates[part], "part": part, "begins": begins}
        | ({"weight_decay": 0.0} if free else {})
        for (part, begins, free), params in held.items()
    ]


class Thaw:
    """A freezing carried out on a live net: at epoch starts, and in the rates of every step."""

    def __init__(self, plan: Freezing, net: nn.Module, optimizer: Optimizer, epoch: int) -> None:
        self.plan, self.net, self.optimizer, self.steps = plan, net, optimizer, epoch
        self._still = Still(net)
        begins = {**plan.modules, **plan.parameters}
        self._never = tuple(
            k
            for k in net.state_dict()
            if begins.get(k, begins.get(k.rpartition(".")[0], 0)) is None
        )
        self._before = digests(net, self._never)
        self._epoch: int | None = None

    def to(self, step: int) -> bool:
        """Make the net as it is at a step; whether other parameters train than before."""
        epoch = step // self.steps
        if epoch == self._epoch:
            return False
        before, self._epoch = self._epoch, epoch
        wanted = self.plan.training(epoch)
        changed = before is None or wanted != self.plan.training(before)
        if changed:
            train_only(self.net, wanted)
        self._still.keep(self.plan.still(epoch))
        return changed

    def rate(self, step: int) -> None:
        """Lower the rates just set: after unfreezing, and as a part that begins warms up."""
        lowered = self.plan.lowered(step // self.steps)
        for group in self.optimizer.param_groups:
            late = step - (group.get("begins") or 0) * self.steps
            warm = self.plan.choices.warm_up if group.get("begins") else 0
            group["lr"] *= lowered * (min(1.0, (late + 1) / warm) if warm and late >= 0 else 1.0)

    def moved(self) -> tuple[str, ...]:
        """Weights and buffers frozen throughout that are not bit for bit what they were."""
        now = digests(self.net, self._never)
        return tuple(k for k in self._never if now[k] != self._before[k])

    def done(self) -> None:
        """Take the hooks off and let everything have gradients again."""
        self._still.keep(())
        train_only(self.net, {name for name, _ in self.net.named_parameters()})


def schedule(plan: Freezing, lr: float, epochs: int) -> tuple[str, ...]:
    """What trains at which rate from each epoch on, a line for each change; rates at their peak."""
    lines = [_line(plan, lr, e) for e in (0, *plan.changes) if e < epochs]
    never = [e for e in plan.changes if e >= epochs]
    if never:
        lines.append(f"{_when(never[0])}: not reached, training ends {_when(epochs)}")
    return tuple(lines)


def _when(epoch: int) -> str:
    return f"after {epoch} epoch{'' if epoch == 1 else 's'}" if epoch else "from the start"


def _line(plan: Freezing, lr: float, start: int) -> str:
    on, lowered = plan.training(start), plan.lowered(start)
    said, frozen = [], []
    for part in reversed(plan.parts):
        if not part.parameters:
            continue
        trains = [name for name in part.parameters if name in on]
        some = f" ({len(trains)} of {len(part.parameters)} tensors)"
        share = "" if len(trains) == len(part.parameters) else some
        if trains:
            said.append(f"{part.name}{share} {lr * plan.share(part) * lowered:.3g}")
        else:
            frozen.append(part.name)
    rest = f"; frozen: {', '.join(reversed(frozen))}" if frozen else ""
    return f"{_when(start)}: lr of {', '.join(said)}{rest}"
