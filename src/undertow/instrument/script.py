"""An unmodified training script, run as `python SCRIPT.py` runs it, its networks watched."""

import builtins
import io
import os
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import torch
from torch import nn

from undertow.core.errors import UsageError
from undertow.core.record import Record
from undertow.instrument.finder import Finder
from undertow.instrument.watch import Watch

NEVER = "no optimiser stepped: nothing was trained, so nothing can be judged"


@dataclass(frozen=True, eq=False)
class Net:
    """One network of a script: what was seen of it, and the folder its run lies in."""

    record: Record
    folder: Path


@dataclass(frozen=True, eq=False)
class Script:
    """A script that has ended.

    Attributes:
        nets: the networks it trained, in order of their first pass.
        error: what ended it: SystemExit, KeyboardInterrupt, any exception; None: it ran through.
        notes: what was not watched, and why.
    """

    nets: tuple[Net, ...]
    error: BaseException | None
    notes: tuple[str, ...]


def run_script(
    path: str | Path,
    arguments: Sequence[str],
    *,
    folder: Path,
    judge: Callable[[Record], Any],
    on_finding: Callable[[Any], object] | None = None,
    budget: float = 0.01,
) -> Script:
    """Run a script as `__main__` and watch what it trains; its own end is handed back, not raised.

    The process is the script's from here on: `sys.argv`, `sys.path[0]` and `__main__` stay its own,
    for what it left to run at exit.

    Args:
        path: the script.
        arguments: its own, behind its name.
        folder: of the run; a second network's gets "-2" behind its name.
        judge: makes the judgement of a record.
        on_finding: called with the judgement when there is a new finding.
        budget: share of a step's time that sampling may cost.

    Raises:
        UsageError: no such file, or the folder holds a run already.
    """
    code, name = _source(path)
    if (folder / "run.json").exists():
        raise UsageError(f"{folder} already holds a run; give another name, or remove it")
    shared = {"judge": judge, "on_finding": on_finding, "budget": budget, "tapped": True}
    bench = _Bench(folder, (path, arguments), shared)
    with Finder(bench.begin, bench.end, bench.note) as finder:
        error = _executed(code, name, arguments)
    if not finder.steps and not _rank():
        bench.note(NEVER)
    return Script(bench.close(), error, tuple(bench.notes))


class _Bench:
    """The watches of a script, and what they have seen once they are over."""

    def __init__(
        self, folder: Path, called: tuple[str | Path, Sequence[str]], shared: dict[str, Any]
    ) -> None:
        self.notes: list[str] = []
        self._folder, self._called, self._shared = folder, called, shared
        self._open: dict[Watch, Path] = {}
        self._done: list[Net] = []
        os.register_at_fork(after_in_child=self._abandon)

    def begin(self, net: nn.Module) -> Watch | None:
        if _rank():
            return None
        number = len(self._open) + len(self._done) + 1
        where = self._folder
        if number > 1:
            where = where.with_name(f"{where.name}-{number}")
        head = Record(kind="run", source=_named(self._called[0], net), facts=_facts(*self._called))
        watch = Watch(net, run=where, head=head, **self._shared)
        watch.__enter__()
        self._open[watch] = where
        return watch

    def end(self, watch: Watch) -> None:
        where = self._open.pop(watch)
        watch.__exit__(None, None, None)
        self._done.append(Net(watch.record, where))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def close(self) -> tuple[Net, ...]:
        for watch in list(self._open):
            self.end(watch)
        return tuple(sorted(self._done, key=lambda net: len(net.folder.name)))

    def _abandon(self) -> None:
        for watch in self._open:
            watch.abandon()


def _source(path: str | Path) -> tuple[bytes, str]:
    name = str(path)
    try:
        with io.open_code(str(Path(name).absolute())) as file:
            return file.read(), name
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror or error}; give the path of a script"
        ) from error


def _executed(source: bytes, name: str, arguments: Sequence[str]) -> BaseException | None:
    """What ended the script; None: its last line was reached."""
    full = str(Path(name).absolute())
    main = types.ModuleType("__main__")
    main.__dict__.update(
        {
            "__file__": full,
            "__cached__": None,
            "__loader__": SourceFileLoader("__main__", full),
            "__spec__": None,
            "__builtins__": builtins,
        }
    )
    sys.modules["__main__"] = main
    sys.argv[:] = [name, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = str(Path(full).resolve().parent)
    sys.excepthook = sys.__excepthook__
    try:
        exec(compile(source, full, "exec", dont_inherit=True), main.__dict__)
    except BaseException as error:
        return error.with_traceback(_own(error.__traceback__, full))
    return None


def _own(trace: types.TracebackType | None, path: str) -> types.TracebackType | None:
    """A traceback without the frames above the script's first."""
    at = trace
    while at is not None and at.tb_frame.f_code.co_filename != path:
        at = at.tb_next
    return at


def _rank() -> int:
    """This process's rank in a distributed training; 0 outside of one."""
    group = torch.distributed
    return group.get_rank() if group.is_available() and group.is_initialized() else 0


def _named(path: str | Path, net: nn.Module) -> str:
    return f"{Path(path).name} · {type(net).__name__}"


def _facts(path: str | Path, arguments: Sequence[str]) -> tuple[tuple[str, str], ...]:
    began = time.strftime("%Y-%m-%d %H:%M:%S")
    return (("script", str(path)), ("arguments", " ".join(arguments)), ("began", began))
