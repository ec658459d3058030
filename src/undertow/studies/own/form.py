"""The form of a study that can be asked of a user's own network, and what the network must have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from undertow.core.plan import Plan
from undertow.studies import engine
from undertow.studies.own.asked import Ask, On
from undertow.studies.own.subject import Facts, Given, Subject
from undertow.studies.result import Result, stored
from undertow.studies.study import Arm, Claim, Statistic, Study
from undertow.studies.verdict import OPEN

Need = Callable[[Facts], str]  # why the study cannot be asked of such a network; "" where it can
LAYERS = 3  # fewest hidden layers of a profile over depth
IDLE = 0.9  # training loss over guessing from which a network hardly learns


@dataclass(frozen=True, slots=True)
class Form:
    """A study of the book, put to one network: its arms are changes of that network.

    Attributes:
        id: the study's name in the book.
        question: as its owner would ask it.
        vary: one change each; the first is the network as it is built.
        ask: what is measured.
        statistics: as of a study.
        claims: ids of the book where it judges the same claim.
        says: what the book leads one to expect.
        margins: why they are what they are.
        needs: what the network must have.
        steps: of training a cell.
        learns: arms of which one must learn, or nothing can be told.
    """

    id: str
    question: str
    vary: tuple[Arm, ...]
    ask: Ask
    statistics: tuple[Statistic, ...]
    claims: tuple[Claim, ...]
    says: str
    margins: str
    needs: tuple[Need, ...] = ()
    steps: int = 0
    learns: tuple[str, ...] = ()

    def lacking(self, facts: Facts) -> str:
        """Why it cannot be asked of a network, "" where it can."""
        return next((why for need in self.needs if (why := need(facts))), "")

    def study(self, subject: Subject) -> Study:
        """The study on the engine; what the book found stands as foreseen."""
        return Study(
            id=self.id,
            question=self.question,
            claims=tuple(replace(c, foreseen=_in_book(self.id, c.id)) for c in self.claims),
            vary=self._arms(subject.facts),
            hold=Plan(subject.name, train=subject.source.choices),
            measure=On(subject, self.ask),
            statistics=self.statistics,
            says=self.says,
            margins=self.margins,
            data=subject.typed,
            steps=self.steps,
            on=subject.name,
            identity=f"{subject.identity}{self!r}",
        )

    def run(self, subject: Subject, seeds: Sequence[int], way: engine.Way) -> Result:
        """The result; its claims are open where no arm learns that should."""
        result = engine.run(self.study(subject), seeds, way)
        if isinstance(subject.source.build, Given):  # no command could name it
            again = f'ut.study("{self.id}", on=net, data=data, seeds={len(seeds)})'
            result = replace(result, command=again)
        found = [n.mean for a in self.learns if (n := result.arm(a).number("loss"))]
        if not found or min(found) < IDLE:
            return result
        why = f"it hardly learns in {self.steps} steps, so this cannot be told: undertow check"
        return replace(
            result,
            claims=tuple(replace(c, verdict=OPEN, instead=why) for c in result.claims),
        )

    def _arms(self, facts: Facts) -> tuple[Arm, ...]:
        """The arms but one that would put in the only activation there is, for no claim."""
        named = {e.a for c in self.claims for e in c.expect}
        same = {("to_act", act) for act in facts.acts} if len(facts.acts) == 1 else set()
        return tuple(a for a in self.vary if a.label in named or not same & set(a.values))


def _in_book(study: str, claim: str) -> str:
    """What the book's study of this name found of the claim."""
    result = stored().get(study)
    return next((c.verdict for c in result.claims if c.id == claim), "") if result else ""


def deep(facts: Facts) -> str:
    """A profile over depth needs several hidden layers."""
    n = len(facts.hidden)
    if n >= LAYERS:
        return ""
    return f"it needs {LAYERS} layers with weights before the head, and this network has {n}"


def bent(facts: Facts) -> str:
    """An activation is changed, so there must be one."""
    return "" if facts.acts else "it needs activations, and none of a known kind was found"


def bare(facts: Facts) -> str:
    """A norm is put in, so there must be room for it."""
    if facts.bare:
        return ""
    return "it needs a layer that feeds an activation without a norm; here all have one, or none"


def wrapped(facts: Facts) -> str:
    """A skip is put over a block, or a block taken out."""
    if facts.blocks:
        return ""
    return "it needs a block of 1 to 4 layers that keeps the shape of its input; none was found"


def flat(facts: Facts) -> str:
    """Only sigmoid and tanh have two flat ends."""
    if facts.acts & {"sigmoid", "tanh"}:
        return ""
    return "it needs sigmoid or tanh: no other activation saturates on both sides"


def rectified(facts: Facts) -> str:
    """Dead units and zeros are ReLU's."""
    return "" if "relu" in facts.acts else "it needs ReLUs, and this network has none"


def seen(facts: Facts) -> str:
    """Zeros are counted at the modules."""
    if any(y.act == "relu" and ":" not in y.act_path for y in facts.hidden):
        return ""
    return "it needs ReLUs as modules (nn.ReLU); here they are called as functions"


def labelled(facts: Facts) -> str:
    """Accuracy and the loss of guessing are of classes."""
    if facts.classes > 1:
        return ""
    return "it needs class labels; these targets are numbers"
