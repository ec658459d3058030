"""How lines are laid out on a terminal: width, tables, wrapping, colour, ASCII where needed."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from undertow.report.tables import Table

NARROWEST = 48  # columns: below, lines are wider than asked for rather than unreadable
LABEL = 13  # columns of `  mechanism  `
GAP = "  "  # between the columns of a table
SIGNS = "▲▼✕═∅✖✔–→×…²·"
ASCII = dict(
    zip(
        map(ord, "▲▼✕═∅✖·–−×≈σ∂‖"),
        ("^", "v", "x", "=", "!", "x", "|", "-", "-", "x", "~", "s", "d", "|"),
        strict=True,
    )
) | {
    ord("✔"): "ok",
    ord("→"): "->",
    ord("…"): "...",
    ord("≤"): "<=",
    ord("≥"): ">=",
    ord("²"): "^2",
    ord("√"): "sqrt",
    ord("λ"): "lambda",
}
PAINT = (  # what is coloured -> ANSI colour; the sign is there without it
    (re.compile(r"^✖ \S+(?: [a-z]+-[a-z]+)?|[∅▲▼✕]|═", re.MULTILINE), "31"),
    (re.compile(r"^✔ \w+", re.MULTILINE), "32"),
    (
        re.compile(
            r"^  (?:mechanism|cause|also|excluded|needs both|try|next|tested|not tested)\b",
            re.MULTILINE,
        ),
        "36",
    ),
)


@dataclass(frozen=True, slots=True)
class Pen:
    """How lines are written: their width, colour, and whether only ASCII can be shown."""

    width: int
    color: bool
    ascii: bool

    def form(self, text: str) -> str:
        """The text with the signs the terminal has."""
        return text.translate(ASCII) if self.ascii else text

    def finish(self, lines: Sequence[str]) -> str:
        """The lines as one text that ends in a line break."""
        text = "\n".join(self.form(line).rstrip() for line in lines) + "\n"
        if self.ascii:
            return text.encode("ascii", "backslashreplace").decode("ascii")
        return painted(text) if self.color else text

    def wrap(self, lead: str, text: str) -> list[str]:
        """`lead` and the text, its further lines below its first word."""
        lead, text = self.form(lead), self.form(text)
        room = max(self.width - len(lead), NARROWEST // 2)
        whole = text.replace(" %", "\u00a0%")  # a number keeps its unit
        lines = textwrap.wrap(whole, room, break_long_words=False, break_on_hyphens=False)
        first, *rest = [line.replace("\u00a0", " ") for line in lines] or [""]
        return [lead + first, *(" " * len(lead) + more for more in rest)]

    def labelled(self, label: str, text: str) -> list[str]:
        """`  label      text`, wrapped under its own first word."""
        return self.wrap(f"  {label:<{LABEL - 2}}", text)

    def columns(self, table: Table) -> list[str]:
        """A table as lines; its last column wraps into the width that is left."""
        grid = [[self.form(c) for c in row] for row in (table.head, *table.rows)]
        wide = [max(len(row[i]) for row in grid) for i in range(len(table.head))]
        lines = []
        for row in grid:
            cells = [
                c.rjust(w) if right else c.ljust(w)
                for c, w, right in zip(row, wide, table.right, strict=True)
            ]
            lead = GAP.join(("", *cells[:-1], ""))
            lines += [lead + cells[-1]] if table.right[-1] else self.wrap(lead, row[-1])
        return lines


def pen_for(width: int, color: bool, encoding: str) -> Pen:
    """The pen for a terminal of that width and encoding."""
    try:
        SIGNS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return Pen(max(width, NARROWEST), color, ascii=True)
    return Pen(max(width, NARROWEST), color, ascii=False)


def painted(text: str) -> str:
    """The text with ANSI colours around its signs and labels."""
    for pattern, code in PAINT:
        text = pattern.sub(lambda found, code=code: f"\x1b[{code}m{found[0]}\x1b[0m", text)  # type: ignore[misc]
    return text
