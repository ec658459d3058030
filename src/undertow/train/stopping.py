"""An orderly end: a signal waits for the step's end; a run folder has one writer."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from undertow.core.errors import UsageError

LOCK = "run.lock"


class Stop:
    """Whether a signal has asked for the end."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Ask for the end of the step; asked a second time, end at once.

        Raises:
            KeyboardInterrupt: it was asked before.
        """
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def at_step_end() -> Iterator[Stop]:
    """SIGINT and SIGTERM inside only ask for the end; what they did before is put back."""
    stop = Stop()
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop.ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """The folder's lock inside; the system drops it when a process dies, so none goes stale.

    Raises:
        UsageError: another process trains into the folder.
    """
    try:
        import fcntl
    except ImportError:  # not on this system: no lock
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+", encoding="utf-8") as held:
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.seek(0)
            who = held.read().strip() or "another one"
            raise UsageError(
                f"{folder} is in use by process {who}; wait for its end or give another folder"
            ) from error
        held.truncate(0)
        held.write(str(os.getpid()))
        held.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)
