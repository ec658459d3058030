"""The command line run in this process, as a terminal would run it."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from undertow.cli import main


@dataclass(frozen=True)
class Result:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


@contextmanager
def typed(*words: str) -> Iterator[None]:
    """`sys.argv` as after `undertow WORDS`."""
    before = sys.argv
    sys.argv = ["undertow", *words]
    try:
        yield
    finally:
        sys.argv = before


def run(*words: str) -> Result:
    """The result of `undertow WORDS`."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with typed(*words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 0
    return Result(code, out.getvalue(), err.getvalue())
