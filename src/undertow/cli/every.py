"""What every command takes: `--quiet`; and `--json`, with nothing else on stdout."""

import sys
from contextlib import redirect_stdout
from functools import wraps
from inspect import Parameter, signature
from typing import Any

from undertow.cli.options import Command, Quiet
from undertow.cli.output import MACHINE


def every(function: Command) -> Command:
    """The command with `--quiet`; what is printed beside the JSON goes to stderr.

    A command without progress takes `--quiet` too: its answer is the same.
    """
    sign = signature(function)
    added = "quiet" not in sign.parameters

    @wraps(function)
    def command(**typed: Any) -> None:
        if added:
            typed.pop("quiet")
        if typed.get("json") is True:  # of `run` it is a file: stdout is the script's own
            _aside(function, typed)
        else:
            function(**typed)

    if added:
        flag = Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
        own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in sign.parameters.values()]
        made: Any = command
        made.__signature__ = sign.replace(parameters=[*own, flag])
        made.__annotations__ = {p.name: p.annotation for p in (*own, flag)}
    return command


def _aside(function: Command, typed: dict[str, Any]) -> None:
    """Run it with stdout kept for `machine`: a user's own net, too, may print."""
    held = MACHINE.set(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            function(**typed)
    finally:
        MACHINE.reset(held)
