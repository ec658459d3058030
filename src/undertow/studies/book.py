"""The book: a Markdown page with its figure for every study, and an index of verdicts."""

from collections.abc import Sequence
from pathlib import Path

from undertow.core.errors import EnvironmentFaultError
from undertow.studies import figure
from undertow.studies.chapter import CHAPTERS, chapter
from undertow.studies.claims import coverage
from undertow.studies.result import ArmResult, ClaimResult, Result
from undertow.studies.study import Statistic
from undertow.studies.text import digits, exactly, sentence, surprise

ABOUT = """Claims that textbooks and lectures make about deep convolutional networks, each put to an
experiment. A claim is *supported* where the 99 % interval of the paired differences over seeds
excludes 0 and the mean difference reaches a margin fixed before the first run, in every condition
the claim speaks of; *refuted* where it is shown the other way round or absent; *depends* where it
holds in some conditions only; *inconclusive* otherwise. Every page names its seeds, versions and
the command that repeats it. The pages are written from the stored results by

    undertow study all --stored --book docs/book"""
TAUGHT = ("A3", "F2", "G16", "G18", "R5", "S3")  # where common teaching says otherwise
QUICK = "The quick form, of five seeds; the full form of ten has not been run yet.\n"
DIFFERS = "Common teaching says otherwise."


def write(results: Sequence[Result], out: Path, *, copies: bool = True) -> tuple[Path, ...]:
    """Write the pages of the results, the chapters and the index; returns the files.

    Figures are left out where matplotlib is not installed, and for exact studies, whose facts are
    of unlike kinds: their table shows them.

    Args:
        results: a page each.
        out: folder of the pages.
        copies: also write each result as JSON beside its page.

    Raises:
        EnvironmentFaultError: the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        pages = [_page(result, out, copies) for result in results]
        pages += [_write(out / f"chapter-{name}.md", chapter(name)) for name in CHAPTERS]
        return (*pages, _write(out / "index.md", index(results)))
    except OSError as error:
        raise EnvironmentFaultError(f"{out} cannot be written: {error}") from error


def _page(result: Result, out: Path, copies: bool) -> Path:
    drawn = not result.exact
    try:
        if drawn:
            figure.save(result, out / f"{result.study}.svg")
    except EnvironmentFaultError:
        drawn = False
    if copies:
        _write(out / f"{result.study}.json", result.to_json() + "\n")
    return _write(out / f"{result.study}.md", page(result, drawn=drawn))


def page(result: Result, *, drawn: bool = False) -> str:
    """The page of a result: question, figure, table, every claim, how to repeat it."""
    image = f"![{result.question}]({result.study}.svg)\n\n" if drawn else ""
    held = ", ".join(filter(None, (result.held, f"data {result.data}")))
    steps = f", {result.steps} steps" if result.steps else ""
    seeds = "exact, no seeds" if result.exact else f"seeds {', '.join(map(str, result.seeds))}"
    versions = ", ".join(f"{n} {v}" for n, v in result.versions)
    parts = [
        f"# {result.question}\n",
        f"Expected: {result.says}\n",
        f"{image}{_table(result)}\n",
        f"Held: {held}{steps}. Margins: {result.margins}\n",
        "## Verdicts\n",
        *(_claim(claim, result) for claim in result.claims),
        "## Repeat it\n",
        f"    {result.command}\n",
        *([QUICK] if result.form == "quick" and not result.exact and not result.on else []),
        f"{seeds}; {versions}; {result.hardware}; {result.date}; {result.seconds:g} s\n",
    ]
    return "\n".join(parts + ([f"Source: {result.source}\n"] if result.source else []))


def _table(result: Result) -> str:
    heads = [f"{s.name}: {s.words}" for s in result.statistics]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for arm in result.arms:
        cells = " | ".join(_cell(arm, s) for s in result.statistics)
        lines.append(f"| {_plain(arm.arm)} | {cells} |")
    return "\n".join(lines) + "\n"


def _cell(arm: ArmResult, stat: Statistic) -> str:
    found = arm.number(stat.name)
    if found is None:
        return "–"
    if found.low == found.high:
        return exactly(found.mean)
    return f"{digits(found.mean)} ({digits(found.low)} to {digits(found.high)})"


def _plain(text: str) -> str:
    """The text with bars that a table does not take for its own."""
    return text.replace("|", "\\|")


def _claim(claim: ClaimResult, result: Result) -> str:
    lines = [f"**{claim.id}** “{claim.says}”: **{claim.verdict}**{surprise(claim, result)}"]
    lines += [f"- {_plain(sentence(c, exact=result.exact))}" for c in claim.conditions]
    taught = f"**{DIFFERS}** " if claim.id in TAUGHT and not result.on else ""
    lines += ["", f"{taught}{_sentence(claim.instead)}"] if claim.instead else []
    return "\n".join(lines) + "\n"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def index(results: Sequence[Result]) -> str:
    """The first page: what the book is, chapters, studies, claims, and where teaching differs.

    Of a user's network it lists what was asked; the book's own claims are not judged by that.
    """
    own = results[0].on if results else ""
    lines = [f"# Studies asked of {own}", ""] if own else ["# The evidence book", "", ABOUT, ""]
    lines += ["## Chapters", "", *(f"- [{name}](chapter-{name}.md)" for name in CHAPTERS)]
    lines += [] if own else _taught(results)
    lines += ["", "## Studies", "", "| study | question | verdicts |", "|---|---|---|"]
    for r in results:
        words = ", ".join(f"{c.id} {c.verdict}" for c in r.claims)
        lines.append(f"| [{r.study}]({r.study}.md) | {r.question} | {words} |")
    lines += [] if own else _claims(results)
    return "\n".join(lines) + "\n"


def _claims(results: Sequence[Result]) -> list[str]:
    """Every claim of the book with all its answers."""
    found: dict[str, list[str]] = {}
    for r in results:
        for c in r.claims:
            found.setdefault(c.id, []).append(f"{c.verdict} ([{r.study}]({r.study}.md))")
    lines = ["", "## Claims", "", "| id | claim | answer |", "|---|---|---|"]
    for row in coverage():
        answer = ", ".join(found.get(row.id, [row.text or "not in this book"]))
        lines.append(f"| {row.id} | {row.says} | {answer} |")
    return lines


def _taught(results: Sequence[Result]) -> list[str]:
    """The claims that are often read and do not hold, each with what was found."""
    found = [(c, r) for r in results for c in r.claims if c.id in TAUGHT and not r.on]
    if not found:
        return []
    lines = ["", "## Where common teaching says otherwise", ""]
    for claim, result in sorted(found, key=lambda pair: TAUGHT.index(pair[0].id)):
        says = f"- **{claim.id}** “{claim.says}”: {claim.verdict} ([{result.study}]"
        lines.append(f"{says}({result.study}.md)). {_sentence(claim.instead)}")
    return lines


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
