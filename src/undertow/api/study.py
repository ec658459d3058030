"""`ut.study` and `ut.studies`: questions put to networks, answered by experiments."""

from collections.abc import Callable, Sequence
from pathlib import Path

from undertow.core.errors import UsageError
from undertow.studies import NAMES
from undertow.studies import study as found
from undertow.studies.claims import Coverage, coverage
from undertow.studies.listing import Listed, listed
from undertow.studies.result import Result

__all__ = ["Result", "book", "claims", "figure", "names", "studies", "study"]


def study(
    name: str,
    *,
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
        quick: 5 seeds; else 10.
        seeds: another number of seeds; fewer than 5 give no verdict.
        folder: where finished cells are kept, so that a second call continues; None: nowhere.
        workers: processes of one thread; 1 is this process.
        budget_s: seconds after which no further seed is begun.
        done: told each finished cell.

    Raises:
        UsageError: no such study, or fewer than one seed or worker.
    """
    from undertow.studies import engine

    if workers < 1:
        raise UsageError(f"workers={workers} runs nothing; give 1 or more")
    one = found(name)
    way = engine.Way(
        None if folder is None else Path(folder),
        workers,
        budget_s,
        lambda d: done(f"{name}: {d.cell.arm}, seed {d.cell.seed}"),
    )
    return engine.run(one, engine.seeds_of(one, full=not quick, seeds=seeds), way)


def studies() -> tuple[Listed, ...]:
    """What each study asks and what its stored run found."""
    return listed()


def names() -> tuple[str, ...]:
    """The names of all studies."""
    return NAMES


def claims() -> tuple[Coverage, ...]:
    """Every claim of the evidence book and what answers it."""
    return coverage()


def book(results: Sequence[Result], out: str | Path) -> tuple[Path, ...]:
    """Write the evidence book of these results: a page each, the chapters, an index.

    Raises:
        EnvironmentFaultError: the folder cannot be written.
    """
    from undertow.studies.book import write

    return write(results, Path(out))


def figure(result: Result, path: str | Path) -> None:
    """Write the static figure of a result; the suffix of the path names the format.

    Raises:
        EnvironmentFaultError: matplotlib is not installed.
    """
    from undertow.studies.figure import save

    save(result, Path(path))
