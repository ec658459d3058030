"""`ut.study` and `ut.studies`: questions put to networks, answered by experiments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from undertow.core.errors import UsageError, unknown
from undertow.studies import NAMES
from undertow.studies import study as found
from undertow.studies.claims import Coverage, coverage
from undertow.studies.listing import Listed, listed
from undertow.studies.result import Result
from undertow.studies.result import stored as results

if TYPE_CHECKING:
    from undertow.studies import engine
    from undertow.studies.own import Left

__all__ = [
    "Result",
    "Survey",
    "book",
    "claims",
    "figure",
    "names",
    "stored",
    "studies",
    "study",
    "survey",
]


@dataclass(frozen=True, slots=True)
class Survey:
    """Every study that can be asked of a network, and why the others were not."""

    results: tuple[Result, ...]
    left: "tuple[Left, ...]"

    def to_text(self, *, width: int = 100) -> str:
        """One line a verdict, and every study not asked with the reason."""
        from undertow.studies.text import surveyed

        return surveyed(self.results, [(one.study, one.why) for one in self.left], width)


def study(
    name: str,
    *,
    on: object = None,
    data: object = None,
    quick: bool = True,
    seeds: int | None = None,
    folder: str | Path | None = None,
    workers: int = 1,
    budget_s: float | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run a study and judge its claims.

    Args:
        name: of `studies()`.
        on: a network of your own to ask it of: a module, a zoo name, file.py:callable,
            module:callable or a run folder; None: the study's own networks.
        data: of that network, as typed or as objects; None: those of the run, else digits.
        quick: 5 seeds; else 10.
        seeds: another number of seeds; fewer than 5 give no verdict.
        folder: where finished cells are kept, so that a second call continues; None: nowhere.
        workers: processes of one thread; 1 is this process.
        budget_s: seconds after which no further seed is begun.
        done: told each finished cell.

    Raises:
        UsageError: no such study, fewer than one seed or worker, data without a network, or a
            network that lacks what the study needs.
    """
    if name not in NAMES:  # told before torch is loaded
        raise unknown("study", name, NAMES)
    from undertow.studies import engine

    if on is None and data is not None:
        raise UsageError(f"data={data!r} is for a network of yours; give on=, or leave it out")
    way = _way(folder, workers, budget_s, lambda d: done(f"{name}: {d.cell.arm}, {d.cell.seed}"))
    if on is None:
        one = found(name)
        return engine.run(one, engine.seeds_of(one, full=not quick, seeds=seeds), way)
    from undertow.api.subject import subject
    from undertow.studies.own import form

    asked = subject(on, data)
    return form(name, asked).run(asked, engine.counted(full=not quick, seeds=seeds), way)


def _way(
    folder: str | Path | None,
    workers: int,
    budget_s: float | None,
    done: "Callable[[engine.Done], None]",
) -> "engine.Way":
    from undertow.studies import engine

    if workers < 1:
        raise UsageError(f"workers={workers} runs nothing; give 1 or more")
    return engine.Way(None if folder is None else Path(folder), workers, budget_s, done)


def survey(
    on: object,
    data: object = None,
    *,
    quick: bool = True,
    seeds: int | None = None,
    folder: str | Path | None = None,
    workers: int = 1,
    budget_s: float | None = None,
    done: Callable[[str], None] = lambda _: None,
    each: Callable[[Result], None] = lambda _: None,
) -> Survey:
    """Ask a network every study that it can be asked.

    Args:
        on: as of `study`.
        data: as of `study`.
        quick: 5 seeds; else 10.
        seeds: another number of seeds.
        folder: where finished cells are kept; None: nowhere.
        workers: processes of one thread.
        budget_s: seconds a study may take; one whose trainings would take longer is left out. None:
            30, or 600 in full, for trainings.
        done: told each finished cell.
        each: told each result as it comes.

    Raises:
        UsageError: as of `study`.
    """
    from undertow.api.subject import subject
    from undertow.studies import engine
    from undertow.studies.own import choose

    asked = subject(on, data)
    limit = (30.0 if quick else 600.0) if budget_s is None else budget_s
    way = _way(folder, workers, budget_s, lambda d: done(f"{d.cell.arm}, seed {d.cell.seed}"))
    chosen = engine.counted(full=not quick, seeds=seeds)
    forms, left = choose(asked, len(chosen), limit)
    results = []
    for one in forms:
        results.append(one.run(asked, chosen, way))
        each(results[-1])
    return Survey(tuple(results), left)


def studies() -> tuple[Listed, ...]:
    """What each study asks and what its stored run found."""
    return listed()


def stored(name: str) -> Result:
    """What the book holds of a study; nothing is run, and no torch is loaded.

    Raises:
        UsageError: no such study.
    """
    if name not in NAMES:
        raise unknown("study", name, NAMES)
    return results()[name]


def names() -> tuple[str, ...]:
    """The names of all studies."""
    return NAMES


def claims() -> tuple[Coverage, ...]:
    """Every claim of the evidence book and what answers it."""
    return coverage()


def book(results: Sequence[Result], out: str | Path, *, copies: bool = True) -> tuple[Path, ...]:
    """Write the evidence book of these results: a page each, the chapters, an index.

    Args:
        results: what the pages are of.
        out: folder.
        copies: also each result as JSON.

    Raises:
        EnvironmentFaultError: the folder cannot be written.
    """
    from undertow.studies.book import write

    return write(results, Path(out), copies=copies)


def figure(result: Result, path: str | Path) -> None:
    """Write the static figure of a result; the suffix of the path names the format.

    Raises:
        EnvironmentFaultError: matplotlib is not installed.
    """
    from undertow.studies.figure import save

    save(result, Path(path))
