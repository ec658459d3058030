"""What differs between two reports: plan, layers, profile, verdict. Frozen data and its text."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace

from undertow.core.codec import encode
from undertow.core.decay import decay
from undertow.core.derive import growth, progress
from undertow.core.record import Cell, Layer, Record, Snapshot
from undertow.report.numbers import MISSING, number, ratio, span
from undertow.report.pen import Pen, pen_for
from undertow.report.report import Report
from undertow.report.tables import STATS, Table, cell
from undertow.report.text import ENDS, FOLD, cut

SHOWN = ("act_rms", "spread", "grad_l2", "update_ratio", "dead", "saturated")
FAR = 0.05  # relative difference below which two measured numbers are called alike
PATH = 24  # columns of a layer's name
FACTS = ("data", "batch", "fingerprint", "device", "torch", "script", "arguments")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not alike: where, which statistic or field ("" = the thing itself)."""

    where: str
    what: str
    a: str | float | None
    b: str | float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports side by side; every part holds only what differs.

    `profile` is read at `step`, the last one sampled in both (-1: there is none). Numbers of it
    differ by more than 5 %. `verdict` holds mechanism, findings, causes and how far the loss got.
    """

    a: str
    b: str
    plan: tuple[Difference, ...]
    layers: tuple[Difference, ...]
    step: int
    profile: tuple[Difference, ...]
    verdict: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.plan or self.layers or self.profile or self.verdict)

    def to_text(self, width: int = 100, color: bool = False, encoding: str = "utf-8") -> str:
        """The comparison for a terminal."""
        return _text(self, pen_for(width, color, encoding))


def compare(a: Report, b: Report, names: tuple[str, str] = ("", "")) -> Comparison:
    """What differs between two reports of checks or runs.

    Args:
        a: the one shown left.
        b: the other.
        names: what to call them; their sources where none are given.
    """
    steps = {s.step: s for s in a.record.snapshots}
    shared = [(steps[s.step], s) for s in b.record.snapshots if s.step in steps]
    return Comparison(
        a=names[0] or a.source,
        b=names[1] or b.source,
        plan=tuple(_differing("", _settings(a.record), _settings(b.record))),
        layers=tuple(_layers(a.record, b.record)),
        step=shared[-1][0].step if shared else -1,
        profile=tuple(_profile(a.record, b.record, *shared[-1])) if shared else (),
        verdict=tuple(_differing("", _verdict(a), _verdict(b))),
    )


def _differing(
    where: str, a: dict[str, str | Cell], b: dict[str, str | Cell]
) -> Iterator[Difference]:
    for name in dict.fromkeys((*a, *b)):
        if a.get(name) != b.get(name):
            yield Difference(where, name, a.get(name), b.get(name))


def _settings(record: Record) -> dict[str, str | Cell]:
    """Plan, optimiser, loss and data as flat names; sizes by their own names."""
    found = {} if record.plan is None else dict(_flat("", record.plan))
    found |= {f"optimizer {k}".replace(" name", ""): v for k, v in _flat("", record.optimizer)}
    known = dict(record.facts)
    facts = {name: known[name] for name in FACTS if name in known}
    return {**found, "loss": record.loss, **facts}


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str | Cell]]:
    for f in fields(value):  # type: ignore[arg-type]
        held = getattr(value, f.name)
        if is_dataclass(held):
            yield from _flat("train " if f.name == "train" else "", held)
        elif f.name == "sizes":
            yield from ((name, _plain(v)) for name, v in held)
        else:
            yield f"{prefix}{f.name}", _plain(held)


def _plain(value: object) -> str | Cell:
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        return str(encode(value))
    return value


def _layers(a: Record, b: Record) -> Iterator[Difference]:
    """Rows that only one has, and rows whose kind, activation, norm or size differ."""
    mine, other = ({y.path: y for y in r.layers} for r in (a, b))
    if len(mine) != len(other):
        yield Difference("", "layers", float(len(mine)), float(len(other)))
    for path in dict.fromkeys((*mine, *other)):
        first, second = mine.get(path), other.get(path)
        if first is None or second is None:
            yield Difference(path, "", _named(first), _named(second))
            continue
        yield from _differing(path, _kind(first), _kind(second))


def _named(layer: Layer | None) -> str | None:
    return None if layer is None else layer.kind


def _kind(layer: Layer) -> dict[str, str | Cell]:
    return {
        "kind": layer.kind,
        "activation": layer.act or "none",
        "norm": layer.norm or "none",
        "units": layer.units,
        "fan-in": layer.fan_in,
    }


def _profile(a: Record, b: Record, at: Snapshot, bt: Snapshot) -> Iterator[Difference]:
    """Whole-net numbers, then those of every layer both have, where they are far apart."""
    yield from (d for d in _differing("", _whole(a, at), _whole(b, bt)) if _far(d.a, d.b))
    for stat in SHOWN:
        mine, other = (r.profile(stat, s, ("hidden", "head")) for r, s in ((a, at), (b, bt)))
        for path in (p for p in mine if p in other):
            if _far(mine[path], other[path]):
                yield Difference(path, stat, mine[path], other[path])


def _whole(record: Record, snap: Snapshot) -> dict[str, str | Cell]:
    lost = decay(record.profile("grad_l2", snap))
    return {
        "decay": None if lost is None else lost.total,
        "growth": growth(record, snap),
    }


def _far(a: str | Cell, b: str | Cell) -> bool:
    if isinstance(a, str) or isinstance(b, str) or a is None or b is None:
        return a != b
    if a != a or b != b:  # NaN
        return (a != a) != (b != b)
    return abs(a - b) > FAR * max(abs(a), abs(b))


def _verdict(report: Report) -> dict[str, str | Cell]:
    record = report.record
    last = record.last_step
    reached = progress(record, last) if record.kind == "run" else None
    return {
        "kind": record.kind,
        "state": "watching" if report.diagnosis.watching else report.mechanism,
        "findings": ", ".join(f"{s.id} {s.name}" for s in report.symptoms) or "none",
        "causes": ", ".join(f"{c.name} ({c.standing})" for c in report.causes) or "none",
        "first remedy": report.remedies[0].name if report.remedies else "none",
        "steps": last + 1,
        "loss over guessing": reached,
    }


def _text(found: Comparison, pen: Pen) -> str:
    lines = [f"A  {found.a}", f"B  {found.b}", "", "Verdict", *_table(found.verdict, pen)]
    lines += [
        "",
        "Plan",
        *_table(found.plan, pen),
        "",
        "Layers",
        *_table(_spans(found.layers), pen),
    ]
    whole = tuple(d for d in found.profile if not d.where)
    at = f" at step {found.step}" if found.step >= 0 else ": no step was sampled in both"
    lines += ["", f"Profile{at}", *_table(whole, pen), *_grid(found.profile, pen)]
    return pen.finish(lines)


def _table(rows: tuple[Difference, ...], pen: Pen) -> list[str]:
    if not rows:
        return ["  no difference"]
    body = tuple((_label(d), _cell(d, d.a), _cell(d, d.b)) for d in rows)
    return pen.columns(Table(("", "A", "B"), body, (False, False, False)))


def _spans(rows: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Layers that differ in the same way as one line."""
    order = list(dict.fromkeys(d.where for d in rows if d.where))
    groups: dict[tuple[str, str | Cell, str | Cell], list[str]] = {}
    for d in rows:
        groups.setdefault((d.what, d.a, d.b), []).append(d.where)
    firsts = {(d.what, d.a, d.b): d for d in reversed(rows)}
    return tuple(replace(firsts[key], where=span(paths, order)) for key, paths in groups.items())


def _grid(rows: tuple[Difference, ...], pen: Pen) -> list[str]:
    """One line a layer, A → B for every statistic that differs anywhere; long nets folded."""
    found = {(d.where, d.what): d for d in rows if d.where}
    if not found:
        return []
    paths = list(dict.fromkeys(path for path, _ in found))
    stats = [stat for stat in SHOWN if any(what == stat for _, what in found)]
    body = [(cut(p, PATH), *(_change(found.get((p, stat))) for stat in stats)) for p in paths]
    if len(body) > FOLD:
        more = f"… {len(body) - 2 * ENDS} more"
        body = [*body[:ENDS], (more, *("" for _ in stats)), *body[-ENDS:]]
    head = ("layer", *(STATS[stat] for stat in stats))
    return ["", *pen.columns(Table(head, tuple(body), (False, *(True for _ in stats))))]


def _change(d: Difference | None) -> str:
    return "" if d is None else f"{_cell(d, d.a)} → {_cell(d, d.b)}"


def _label(d: Difference) -> str:
    return " ".join(filter(None, (d.where, STATS.get(d.what, d.what))))


def _cell(d: Difference, value: str | Cell) -> str:
    if value is None or isinstance(value, str):
        return MISSING if value in {None, ""} else str(value)
    if d.what == "loss over guessing":
        return ratio(value)
    measured = d.what in STATS and isinstance(value, float)
    return cell(d.what, value) if measured else f"{value:g}" if value == value else number(value)
