"""A command as one of torchrun's ranks: joined first, ended past the interpreter's own exit."""

import traceback
from collections.abc import Callable
from pathlib import Path

from undertow.core.errors import UndertowError
from undertow.train.ranks import Ranks, joined, leave, shared, written

FAULT = 3

__all__ = ["Ranks", "as_rank"]


def as_rank(folder: Path, work: Callable[[Ranks, Path], int]) -> int:
    """The exit code of `work`; a process that torchrun started ends with it here.

    Args:
        folder: of the run, as rank 0 has it.
        work: (ranks, folder) -> exit code.
    """
    ranks = joined()
    if ranks.world == 1:
        return work(ranks, folder)
    try:
        folder = Path(shared(str(folder), ranks))
        code = work(ranks, folder)
    except BaseException as error:  # whatever it is, the others must not wait for this rank
        text = f"{type(error).__name__}: {error}"
        written(folder, ranks.rank, {"status": "failed", "error": text})
        traceback.print_exc()
        leave(error.exit_code if isinstance(error, UndertowError) else FAULT, together=False)
    return leave(code, together=True)
