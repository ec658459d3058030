"""The command line: its commands, their exit codes, errors in three lines."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from undertow.cli import (
    activations,
    check,
    compare,
    data,
    demo,
    diagnose,
    doctor,
    evaluate,
    explain,
    export,
    lab,
    models,
    predict,
    repair,
    report,
    run,
    study,
    summary,
    train,
)
from undertow.cli.every import every
from undertow.core.errors import UndertowError

FAULT = 3

app = typer.Typer(
    name="undertow",
    help="See why a deep network does not train: which layer, what, why; repair it and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: tuple[tuple[str, Callable[..., None]], ...] = (
    ("demo", demo.demo),
    ("models", models.models),
    ("summary", summary.summary),
    ("check", check.check),
    ("train", train.train),
    ("evaluate", evaluate.evaluate),
    ("predict", predict.predict),
    ("export", export.export),
    ("data", data.data),
    ("run", run.run),
    ("repair", repair.repair),
    ("diagnose", diagnose.diagnose),
    ("compare", compare.compare),
    ("report", report.report),
    ("explain", explain.explain),
    ("study", study.study),
    ("activations", activations.activations),
    ("lab", lab.lab),
    ("doctor", doctor.doctor),
)
SETTINGS = {"run": run.OWN_ARGUMENTS}
for _name, _function in COMMANDS:
    app.command(_name, context_settings=SETTINGS.get(_name))(every(_function))


def _version(asked: bool) -> None:
    if asked:
        from undertow import __version__

        print(f"undertow {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 healthy or done, 1 findings, 2 wrong use, 3 a fault, 130 Ctrl-C."""


def main() -> None:
    """Run the command line; every error a user can mend is told in words, without a traceback."""
    try:
        app(prog_name="undertow")  # ends with SystemExit; Ctrl-C as 130
    except UndertowError as error:
        print(f"undertow: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        print(f"undertow: {error}; check the path and the space left", file=sys.stderr)
        sys.exit(FAULT)
    except Exception:  # a fault of ours: shown whole, so that it can be reported
        traceback.print_exc()
        sys.exit(FAULT)
