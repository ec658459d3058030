"""What a card of the zoo says: paper, builder, input, counts, what it accepts, default training."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

from undertow.core.errors import UsageError, unknown
from undertow.core.plan import Choices, Plan, TrainChoices
from undertow.core.words import ACTIVATIONS, NORMS, SKIPS, VARIANTS
from undertow.models.weights import WEIGHTS, Weights
from undertow.nn.init import Scheme, parse_init

Shape = tuple[int, ...]  # of one input: (C, H, W), or (features,)
Size = int | tuple[int, ...]

ADAPTIVE_LR = {"adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-2}  # torch's own defaults


@dataclass(frozen=True, slots=True)
class Printed:
    """A number the paper prints that its own shapes do not give, or that needs a source.

    Attributes:
        what: what is counted.
        printed: as the source has it.
        found: what its shapes, or a re-run, give; "" where nobody has one.
        source: where it is printed.
    """

    what: str
    printed: str
    found: str
    source: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of a card, with its own choices.

    Attributes:
        name: "published" (the checkpoint everyone has) or "paper".
        parameters: trainable entries at the card's own choices, sizes, input and classes.
        macs: multiply-adds of one image then.
        choices: every choice's own value.
        init: what init="paper" means; None where nothing is published.
        differs: what sets it apart from the other variant.
        head_parameters: trainable entries of each auxiliary head, the lowest first.
    """

    name: str
    parameters: int
    macs: int
    choices: Choices
    init: Scheme | None = None
    differs: str = ""
    head_parameters: tuple[int, ...] = ()

    @property
    def other(self) -> tuple[int, str] | None:
        """Parameters with the heads where it is built without, or without; None: it has none."""
        every = sum(self.head_parameters)
        if not every:
            return None
        if self.choices.aux:
            return self.parameters - every, "without auxiliary heads"
        return self.parameters + every, "with auxiliary heads"


@dataclass(frozen=True, slots=True)
class Card:
    """A network of the zoo.

    Attributes:
        name: what `build` takes.
        family: the nets that share its code.
        paper: its source, "" for none.
        year: of the source; 0 for none.
        build: (resolved plan, shape of one input) -> module with weights not drawn yet.
        input: shape of one input where nothing else is given.
        smallest: side of the smallest input, in pixels.
        classes: where nothing else is given.
        variants: its forms, the default first.
        sizes: names and own values of the sizes it has.
        norms: norm words it takes.
        skips: skip words it takes.
        heads: how many auxiliary heads it can have.
        train: how it is trained where nothing else is given.
        weights: tags of published weights.
        stages: near input first, as named for freezing.
        smallest_for: `smallest` where it depends on the plan; None: it does not.
        check: raises a UsageError where a resolved plan's sizes do not build on such inputs.
        aux_at: the stage each auxiliary head looks at, the lowest first.
        refused: why a variant of its paper is not offered.
        printed: the paper's numbers beside the computed ones.
    """

    name: str
    family: str
    paper: str
    year: int
    build: Callable[[Plan, Shape], nn.Module]
    input: Shape
    smallest: int
    classes: int
    variants: tuple[Variant, ...]
    sizes: tuple[tuple[str, Size], ...] = ()
    norms: tuple[str, ...] = tuple(n for n in NORMS if n != "lrn")
    skips: tuple[str, ...] = ("none",)
    heads: int = 0
    train: TrainChoices = field(default_factory=TrainChoices)
    weights: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    smallest_for: Callable[[Plan], int] | None = None
    check: Callable[[Plan, Shape | None], None] | None = None
    aux_at: tuple[str, ...] = ()
    refused: str = ""
    printed: tuple[Printed, ...] = ()

    @property
    def parameters(self) -> int:
        """Trainable entries of the default variant as built by name alone."""
        return self.variants[0].parameters

    @property
    def macs(self) -> int:
        """Multiply-adds of the default variant as built by name alone."""
        return self.variants[0].macs

    @property
    def flat(self) -> bool:
        """Whether it takes features: inputs of any shape are flattened."""
        return len(self.input) == 1

    @property
    def files(self) -> tuple[Weights, ...]:
        """Its published files: address, checksum, accuracy and the preprocessing they expect."""
        return tuple(w for w in WEIGHTS if w.model == self.name)

    def remarks(self, variant: str) -> tuple[str, ...]:
        """Lines for below a table: parameters built the other way, printed beside computed."""
        other = self.variant(variant).other
        heads = () if other is None else (f"{other[1]}: {other[0]:,} parameters",)
        beside = (f"{p.what}: printed {p.printed} ({p.source}); {p.found}" for p in self.printed)
        return (*heads, *beside)

    def variant(self, name: str) -> Variant:
        """The variant of a name.

        Raises:
            UsageError: the card has no such variant.
        """
        if name not in VARIANTS:
            raise unknown("variant", name, VARIANTS)
        for variant in self.variants:
            if variant.name == name:
                return variant
        has = " or ".join(v.name for v in self.variants)
        why = f": {self.refused}" if self.refused else ""
        raise UsageError(f"{self.name} has no variant={name!r}{why}; choose {has}")

    def resolve(self, plan: Plan, shape: Shape | None = None) -> Plan:
        """The plan with every None filled by the card's own value, every word checked.

        Args:
            plan: a plan of this card.
            shape: of one input of the data; None takes the card's own.

        Raises:
            UsageError: a word, size or shape the card does not take.
        """
        own = self.variant(plan.variant).choices
        plan = replace(
            plan,
            choices=self._choices(plan.choices, own),
            sizes=self._sizes(plan),
            classes=self.classes if plan.classes is None else plan.classes,
            in_channels=self._channels(plan.in_channels, shape),
            train=replace(plan.train, lr=self._rate(plan.train)),
        )
        for name, value, least in (
            ("classes", plan.classes, 0),
            ("in_channels", plan.in_channels, 1),
        ):
            if value is not None and value < least:
                raise UsageError(f"{name}={value} does not build; give {least} or more")
        self.check_input(plan, shape)
        return plan

    def smallest_side(self, plan: Plan) -> int:
        """Side in pixels of the smallest input the net of a resolved plan takes; 1 for features."""
        return self.smallest if self.smallest_for is None else self.smallest_for(plan)

    def shape(self, plan: Plan, shape: Shape | None = None) -> Shape:
        """Shape of one input the net is built for: the given one, else the card's own."""
        if self.flat:
            return (plan.in_channels or self.input[0],)
        return shape or (plan.in_channels or self.input[0], *self.input[1:])

    def check_input(self, plan: Plan, shape: Shape | None) -> None:
        """Nothing, where inputs of `shape` fit the net of a resolved plan.

        Raises:
            UsageError: the input is smaller than the smallest, or no image where it must be one.
        """
        side = self.smallest_side(plan)
        if shape is not None and not self.flat and len(shape) != len(self.input):
            raise UsageError(
                f"{self.name} takes images (channels, height, width), not {_sized(shape)};"
                f" give images of {side} px or more, or use mlp"
            )
        if self.check is not None:
            self.check(plan, shape)
        if shape is not None and not self.flat and min(shape[1:]) < side:
            raise UsageError(
                f"{self.name} needs {side} px or more a side and the input has"
                f" {shape[1]}x{shape[2]}; resize it to {side}x{side} or choose another model"
            )

    def _channels(self, given: int | None, shape: Shape | None) -> int:
        if shape is None:
            return self.input[0] if given is None else given
        found = _entries(shape) if self.flat else shape[0]
        if given not in (None, found, shape[0]):
            raise UsageError(
                f"in_channels={given} does not fit inputs of {_sized(shape)}; give {found} or none"
            )
        return found

    def _sizes(self, plan: Plan) -> tuple[tuple[str, Size], ...]:
        own = dict(self.sizes)
        for name, _ in plan.sizes:
            if name not in own:
                raise unknown(f"size of {self.name}", name, own)
        return tuple({**own, **dict(plan.sizes)}.items())

    def _choices(self, given: Choices, own: Choices) -> Choices:
        act = self._accepted("act", given.act or own.act, ACTIVATIONS, ACTIVATIONS)
        norm = self._accepted("norm", given.norm or own.norm, NORMS, self.norms)
        skip = self._accepted("skip", given.skip or own.skip, SKIPS, self.skips)
        init = parse_init(given.init or own.init or "torch")
        aux = own.aux if given.aux is None else given.aux
        dropout = own.dropout if given.dropout is None else given.dropout
        return Choices(act, norm, init, skip, self._heads(aux), dropout)

    def _accepted(
        self, what: str, word: str | None, known: tuple[str, ...], taken: tuple[str, ...]
    ) -> str:
        if word is None or word not in known:
            raise unknown(what, word, taken)
        if word not in taken:
            raise UsageError(f"{self.name} takes no {what}={word!r}; choose {', '.join(taken)}")
        return word

    def _heads(self, aux: bool | int | None) -> int:
        heads = self.heads if aux is True else int(aux or 0)
        if not 0 <= heads <= self.heads or (aux is True and not self.heads):
            raise UsageError(f"{self.name} takes no aux={aux}; choose 0 to {self.heads}")
        return heads

    def _rate(self, train: TrainChoices) -> float | None:
        own = train.optimizer == self.train.optimizer
        rate = self.train.lr if own else ADAPTIVE_LR.get(train.optimizer, self.train.lr)
        return rate if train.lr is None else train.lr


def _entries(shape: Shape) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _sized(shape: Shape) -> str:
    return "x".join(map(str, shape))
