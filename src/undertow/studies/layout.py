"""Pages after their numbers are filled in: tables aligned again, paragraphs wrapped again."""

import re
import textwrap
from itertools import zip_longest

WIDTH = 80
TAG = re.compile(r" \[([a-z-]+)\]")
GAP = re.compile(r" {2,}")


def laid_out(text: str) -> str:
    """The page with aligned tables and paragraphs of at most 80 columns."""
    return "\n\n".join(_block(block) for block in re.split(r"\n\s*\n", text.strip("\n")))


def _block(block: str) -> str:
    lines = block.split("\n")
    if all(line.startswith("    ") for line in lines):
        return _table(lines) if TAG.search(block) else block
    if block.startswith("#"):
        return block
    if block.startswith("- "):
        return "\n".join(_wrapped(line) for line in lines)
    return _wrapped(" ".join(lines))


def _wrapped(line: str) -> str:
    lead = len(line) - len(line.lstrip())
    more = " " * (lead + 2) if lead or line.startswith("- ") else ""
    # a number keeps its study, as a unit keeps its number
    kept = TAG.sub(lambda tag: f"\u00a0[{tag[1]}]", line.strip()).replace(" %", "\u00a0%")
    done = textwrap.fill(
        kept,
        WIDTH,
        initial_indent=" " * lead,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return done.replace("\u00a0", " ")


def _table(lines: list[str]) -> str:
    """Columns aligned; the studies are named once, behind the table."""
    studies = dict.fromkeys(tag for line in lines for tag in TAG.findall(line))
    rows = [GAP.split(TAG.sub("", line).strip()) for line in lines]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    shown = [
        "    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]
    return "\n".join([*shown, "    " + " ".join(f"[{s}]" for s in studies)])
