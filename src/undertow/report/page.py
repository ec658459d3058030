"""One self-contained HTML page: tables, sentences and figures, no script, no external address."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertow.core.codec import encode
from undertow.core.finding import Symptom
from undertow.core.learned import ONE_BATCH
from undertow.core.record import Record
from undertow.core.stats import COLUMNS
from undertow.report import findings, svg, tables
from undertow.report.commands import command as repeated_by
from undertow.report.glossary import HEADLINES, slug, used
from undertow.report.numbers import number, ratio
from undertow.report.report import FORMAT, Report
from undertow.report.tables import STATS, Table, cell

if TYPE_CHECKING:
    from jinja2 import Environment

DATA = 900_000  # characters of embedded JSON, all parts together; the page stays below 1.5 MB
TEMPLATES = Path(__file__).parent / "templates"
UNGATED = frozenset({"UT106", "UT107", "UT108", "UT201", "UT202", "UT203"})
SHOWN = ("act_rms", "spread", "grad_l2", "wgrad_l2", "update_ratio", "dead", "saturated")
PROVEN = frozenset({"repaired", "improved"})
SIGNS = {"good": "✔", "bad": "✖", "note": "●", "unmeasured": "–", "watching": "…"}
STATES = {"good": "sound", "note": "unusual, no finding", "unmeasured": "not measured"}


@dataclass(frozen=True, slots=True)
class Part:
    """One section of a page: a report under a title, with words of introduction.

    `before` is an earlier net to draw behind the profile; without it, the first sick net of as
    many layers among the page's earlier parts.
    """

    title: str
    report: Report
    text: str = ""
    before: Report | None = None


def render(title: str, parts: Sequence[Part], command: str = "") -> str:
    """The whole page.

    Args:
        title: the page's heading.
        parts: its sections in reading order; one part needs no title of its own.
        command: what repeats it; "" = worked out from the first part's record.
    """
    first = parts[0].report.record if parts else Record()
    verb = "check" if first.kind == "check" else "train"
    inside = _inside(parts)
    page: str = template("page.html").render(
        title=title,
        command=command or repeated_by(verb, first),
        nav=_nav(parts) if len(parts) > 1 else (),
        inside=inside,
        glossary=_glossary(inside),
        data=markup(embedded(parts)),
    )
    return page


def body(parts: Sequence[Part]) -> str:
    """The sections alone with their style, for a notebook."""
    inside: str = template("body.html").render(inside=_inside(parts))
    return inside


def embedded(parts: Sequence[Part], room: int = DATA) -> str:
    """The reports as JSON that is safe inside a script element.

    Long runs are thinned evenly until all fit into `room` characters; "thinned" says by how much.
    """
    thin = 1
    while True:
        kept = [
            {
                "title": p.title,
                "thinned": thin,
                "format": FORMAT,
                **encode(_thinned(p.report, thin)),
            }
            for p in parts
        ]
        text = json.dumps(kept, separators=(",", ":"))
        if len(text) <= room or thin > LONGEST:
            return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        thin *= 2


LONGEST = 1_000_000  # steps; a run thinned to one step of so many is as small as it gets


def _thinned(report: Report, every: int) -> Report:
    """Every n-th step and snapshot, the last of each always among them."""
    record = report.record
    if every == 1 or not (record.metrics or record.snapshots):
        return report
    metrics, snaps = record.metrics[:-1:every], record.snapshots[:-1:every]
    kept = replace(
        record,
        metrics=(*metrics, *record.metrics[-1:]),
        snapshots=(*snaps, *record.snapshots[-1:]),
    )
    return replace(report, record=kept)


def _inside(parts: Sequence[Part]) -> Any:
    section = template("part.html")
    views = [_view(part, i, parts) for i, part in enumerate(parts)]
    text = "".join(section.render(p=view) for view in views)
    return markup(text.replace(" %", "\u00a0%"))  # a number keeps its unit


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(signs=SIGNS, states=STATES, slug=slug)
    return environment


def template(name: str) -> Any:
    """A template of this package's folder, ready to be rendered."""
    return _environment().get_template(name)


def markup(text: str) -> Any:
    """Markup of our own making, which is not escaped again."""
    from jinja2.filters import do_mark_safe

    return do_mark_safe(text)


def _nav(parts: Sequence[Part]) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (f"p{i + 1}", part.title, SIGNS[_outcome(part.report, parts[:i])])
        for i, part in enumerate(parts)
    )


def _outcome(report: Report, earlier: Sequence[Part]) -> str:
    """The sign of a part: its net's, or the verdict's where only the proof is shown."""
    if report.verdict is None or not _again(report, earlier):
        return _state(report)
    return "good" if report.verdict.word in PROVEN else "bad"


def _again(report: Report, earlier: Sequence[Part]) -> bool:
    return any(_same_net(report.record, p.report.record) for p in earlier)


def _glossary(inside: Any) -> dict[str, str]:
    return used(str(inside.striptags()))


def _state(report: Report) -> str:
    if report.diagnosis.watching:
        return "watching"
    return "good" if report.healthy else "bad"


def _view(part: Part, index: int, parts: Sequence[Part]) -> dict[str, Any]:
    """Everything the template of a part shows, in words."""
    report, key = part.report, f"p{index + 1}"
    again = _again(report, parts[:index])
    before = part.before or _before(part, parts[:index])
    return {
        "key": key,
        "title": part.title,
        "text": part.text,
        "again": again,
        "state": _state(report),
        **_verdict(report),
        "health": findings.health(report),
        "facts": _facts(report),
        "tested": findings.tested(report),
        "untested": findings.untested(report),
        **_why(report, key),
        "figures": () if again else _figures(report, key, before),
        "quiet_units": _quiet(report),
        "layers": _layer_table(report, SHOWN),
        "marks": _marks(report),
        "raw": _layer_table(report, COLUMNS),
        "notes": findings.notes(report),
        **_proof(report, key),
    }


def _same_net(a: Record, b: Record) -> bool:
    """Whether two checks measured the same net, so that one need not be shown again."""
    if a.kind != "check" or b.kind != "check":
        return False
    return bool(encode((a.layers, a.snapshots)) == encode((b.layers, b.snapshots)))


def _before(part: Part, earlier: Sequence[Part]) -> Report | None:
    rows = len(svg.rows_of(part.report))
    sick = (p.report for p in earlier if not p.report.healthy)
    return next((r for r in sick if len(svg.rows_of(r)) == rows), None) if rows else None


def _verdict(report: Report) -> dict[str, Any]:
    if report.diagnosis.watching:
        headline = "Undecided" if report.record.cut else "Watching"
        return {"headline": headline, "line": findings.too_early(report)}
    word = findings.mechanism_words(report)
    headline = HEADLINES.get(word, word)
    if report.healthy:
        return {"headline": headline, "line": findings.measured_layers(report)}
    first = next((findings.sentence(s, report) for s in report.symptoms), "")
    return {"headline": headline, "line": first or findings.loss_words(report.record)}


def _facts(report: Report) -> tuple[tuple[str, str], ...]:
    record = report.record
    o = record.optimizer
    rate = "" if o.lr is None else f", rate {number(o.lr)}"
    momentum = f", momentum {o.momentum:g}" if o.momentum else ""
    clip = "" if o.clip_norm is None else f", clipped at {number(o.clip_norm)}"
    own = [
        ("looked at", report.source),
        ("layers", str(len(report.main_layers))),
        ("optimiser", f"{o.name}{rate}{momentum}{clip}" if o.name else ""),
        ("loss", record.loss),
        ("loss of guessing", "" if record.const_loss is None else number(record.const_loss)),
        ("input", " × ".join(map(str, record.input.shape))),
        ("steps", str(record.last_step + 1) if record.kind == "run" else ""),
    ]
    return tuple((k, v) for k, v in (*own, *record.facts) if v)


def _why(report: Report, key: str) -> dict[str, Any]:
    experiments = report.record.experiments
    pair = findings.needs_both(experiments)
    return {
        "mechanism": findings.mechanism_words(report),
        "others": report.diagnosis.others,
        "progress": findings.loss_words(report.record),
        "symptoms": [_symptom(s, report) for s in report.symptoms],
        "causes": report.causes,
        "excluded": [
            (findings.named(e), findings.numbers(e)) for e in findings.excluded(report.causes)
        ],
        "pair": (findings.named(pair), findings.numbers(pair)) if pair else None,
        "remedies": _remedies(report),
        "factors": svg.factors(experiments, f"{key}-factors"),
        "next": repeated_by("repair", report.record)
        if report.remedies and report.verdict is None
        else "",
    }


def _symptom(s: Symptom, report: Report) -> dict[str, Any]:
    rows = tuple(
        (
            STATS.get(e.stat, e.stat),
            e.layer or "whole net",
            str(e.step),
            cell(e.stat, e.value),
            "–" if e.limit is None else cell(e.stat, e.limit),
        )
        for e in s.evidence
    )
    head = ("statistic", "layer", "step", "value", "limit")
    return {
        "id": s.id,
        "name": s.name,
        "says": findings.sentence(s, report),
        "evidence": Table(head, rows, (False, False, True, True, True)),
        "unless": _unless(s, report.record),
    }


def _unless(s: Symptom, record: Record) -> str:
    """What would change the finding."""
    if s.id in UNGATED:
        return "This is a finding whatever the loss does."
    if record.kind == "check":
        steps = f"{record.probe_steps} probe steps" if record.probe_steps else "the probe steps"
        return (
            f"This would not be a finding if the net got below {ratio(ONE_BATCH)} of guessing on "
            f"one batch within {steps}: the numbers alone do not condemn a net."
        )
    return "This would not be a finding if the loss fell: the numbers alone do not condemn a net."


def _remedies(report: Report) -> Table | None:
    """Remedies with their edits and numbers; no column "on this batch" where none was tried."""
    if not report.remedies:
        return None
    experiments = report.record.experiments
    rows = []
    for i, remedy in enumerate(report.remedies):
        seen = findings.counterfactual(remedy, experiments)
        edits = ", ".join(f"{e.field} → {e.value}" for e in remedy.change)
        rate = findings.rate_words(remedy, report.mechanism)
        now = findings.numbers(seen) if seen else "not tried"
        rows.append((str(i + 1), remedy.name, edits, now, rate, remedy.cost))
    head = ("", "remedy", "changes", "on this batch", "elsewhere", "cost")
    tried = any(findings.counterfactual(r, experiments) for r in report.remedies)
    keep = [i for i, name in enumerate(head) if tried or name != "on this batch"]
    return Table(
        tuple(head[i] for i in keep),
        tuple(tuple(row[i] for i in keep) for row in rows),
        (True, *(False,) * (len(keep) - 1)),
    )


def _figures(report: Report, key: str, before: Report | None) -> list[svg.Figure]:
    record = report.record
    found = (
        svg.profile(report, f"{key}-profile", before),
        svg.heatmap(report, f"{key}-heatmap"),
        svg.bars(report, f"{key}-units"),
        svg.training(report, f"{key}-training"),
        svg.one_batch(record, f"{key}-one-batch"),
        svg.line_probe(record, f"{key}-line"),
    )
    return [f for f in found if f is not None]


def _quiet(report: Report) -> bool:
    """Whether dead and saturated shares were measured and are all too small to draw."""
    measured = any(r.dead is not None or r.saturated is not None for r in report.layers)
    return measured and svg.bars(report, "none") is None


def _layer_table(report: Report, stats: Sequence[str]) -> Table:
    head = ("layer", "kind", "feeds", *(STATS[s] for s in stats))
    rows = tuple(
        (r.path, r.kind, r.act or "–", *(cell(s, getattr(r, s)) for s in stats))
        for r in report.layers
    )
    return Table(head, rows, (False, False, False, *(True,) * len(stats)))


def _marks(report: Report) -> list[tuple[str, ...]]:
    """A sign for every cell of the layer table, "" for none."""
    found = findings.marks(report)
    return [("", "", "", *(findings.mark(r, s, found) for s in SHOWN)) for r in report.layers]


def _proof(report: Report, key: str) -> dict[str, Any]:
    verdict = report.verdict
    if verdict is None:
        return {"proof": None}
    figure = svg.paired(verdict, report.tried, f"{key}-paired")
    edits = ", ".join(f"{e.field} → {e.value}" for e in verdict.edits)
    return {
        "proof": {
            "word": verdict.word,
            "good": verdict.word in PROVEN,
            "remedy": verdict.remedy,
            "edits": edits,
            "why": verdict.why,
            "table": tables.proof_table(verdict, report.tried),
            "reading": tables.reading_of(verdict),
            "figure": figure,
        }
    }
