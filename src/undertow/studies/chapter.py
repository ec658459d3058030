"""The chapters: pages of plain text whose numbers come from the stored studies, without torch.

A page holds marks in double braces. `{{study | arm | statistic}}` is a mean with the study's name
behind it, `{{verdict F7}}` the word on a claim, `{{claims F1 F2}}` a list with every verdict. What
was never measured reads "not measured yet"; no page holds a measured number of its own.
"""

import re
from functools import cache
from importlib.resources import files

from undertow.core.errors import UsageError, unknown
from undertow.studies.claims import CLAIMS, TEXTS
from undertow.studies.layout import laid_out
from undertow.studies.result import ClaimResult, Result, stored
from undertow.studies.text import exactly, sentence

CHAPTERS = (
    "alexnet",
    "vgg",
    "activations",
    "vanishing",
    "exploding",
    "residual",
    "resnet",
    "inception",
)
NOT_YET = "not measured yet"
READING = """How to read a line of the list: after *difference* stand the mean difference of the
two conditions over paired seeds and its 99 % interval, after *margin* the smallest difference that
counts, fixed before the first run, after *n* the seeds. A claim is **supported** where every
condition holds so, **refuted** where each is shown the other way round or absent, **depends** where
some hold and some do not, **inconclusive** where the seeds do not tell. A decade is a factor of
ten."""
MARK = re.compile(r"\{\{(.+?)\}\}")


@cache
def chapter(name: str) -> str:
    """The page of a chapter with its numbers filled in, as Markdown.

    Raises:
        UsageError: no chapter of that name, or a mark that names no claim.
    """
    if name not in CHAPTERS:
        raise unknown("chapter", name, CHAPTERS)
    page = files("undertow.studies") / "chapters" / f"{name}.md"
    text = page.read_text(encoding="utf-8")
    filled = MARK.sub(lambda found: _filled(found[1].strip()), text)
    return laid_out(filled) + "\n\n" + _footer(filled)


def claims_of(name: str) -> tuple[str, ...]:
    """The claims a chapter lists."""
    text = (files("undertow.studies") / "chapters" / f"{name}.md").read_text(encoding="utf-8")
    marks = [m.strip() for m in MARK.findall(text)]
    return tuple(c for m in marks if m.startswith("claims ") for c in m.split()[1:])


def _filled(mark: str) -> str:
    kind, _, rest = mark.partition(" ")
    if kind == "claims":
        return "\n".join(_listed(claim) for claim in rest.split())
    if kind == "verdict":
        return _verdict(rest.strip())
    parts = [p.strip() for p in mark.split("|")]
    if len(parts) not in (3, 4):
        raise UsageError(f"mark {mark!r} is none of study | arm | statistic, verdict ID, claims ID")
    return _number(*parts)


def _number(study: str, arm: str, stat: str, form: str = "") -> str:
    """The mean of a statistic: as it is, or with form "%" as a share in per cent."""
    result = stored().get(study)
    held = None if result is None else next((a for a in result.arms if a.arm == arm), None)
    number = None if held is None else held.number(stat)
    if number is None:
        return f"{NOT_YET} [{study}]"
    said = f"{100 * number.mean:.3g} %" if form == "%" else exactly(number.mean)
    return f"{said} [{study}]"


def _answers(claim: str) -> list[tuple[Result, ClaimResult]]:
    return [(r, c) for r in stored().values() for c in r.claims if c.id == claim]


def _verdict(claim: str) -> str:
    found = [f"{c.verdict} [{r.study}]" for r, c in _answers(claim)]
    return ", ".join(found) or NOT_YET


def _listed(claim: str) -> str:
    if claim not in CLAIMS:
        raise unknown("claim", claim, CLAIMS)
    head = f"- **{claim}** “{CLAIMS[claim]}”"
    if claim in TEXTS:
        return f"{head}\n  {TEXTS[claim].words} ({TEXTS[claim].source})"
    lines = [head]
    for result, answer in _answers(claim):
        lines.append(f"  **{answer.verdict}** [{result.study}]{_judged(answer, claim)}")
        if answer.instead:
            lines.append(f"  {answer.instead}.")
        lines += [f"  · {sentence(c, exact=result.exact)}" for c in answer.conditions]
    return "\n".join(lines if len(lines) > 1 else [head, f"  {NOT_YET}"])


def _judged(answer: ClaimResult, claim: str) -> str:
    """What was judged, where it is less than the claim or other words for it."""
    return "" if answer.says == CLAIMS[claim] else f", judged as: {answer.says}"


def _footer(text: str) -> str:
    named = [s for s in stored() if f"[{s}]" in text]
    lines = [
        laid_out(READING),
        "",
        "Every number is from a study, named in brackets; repeat it with:",
    ]
    width = max((len(stored()[s].command) for s in named), default=0)
    lines += [f"    {stored()[s].command:<{width}}  ({stored()[s].date})" for s in named]
    return "\n".join(lines) + "\n"
