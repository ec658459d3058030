"""`undertow demo`: a sick net on handwritten digits, diagnosed, repaired, proven, trained."""

import json as text
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.live import Live
from undertow.cli.output import Progress, ended, machine, terminal

INTERRUPTED = 130
EPOCHS = 14


NET: o.Group = {
    **o.NET,
    "act": (o.NET["act"][0], "sigmoid"),
    "init": (o.NET["init"][0], "xavier-uniform"),
    "depth": (o.NET["depth"][0], 12),
    "pool_at": (o.NET["pool_at"][0], "4,8"),
}
LENGTH: o.Group = {
    "epochs": (Annotated[int, typer.Option(min=1, help="Passes of the last training.")], EPOCHS),
    "schedule": (Annotated[str, typer.Option(help="constant or cosine.")], "cosine"),
    "budget": (Annotated[float, typer.Option(help="Seconds for the repair.")], 100.0),
}


@o.takes(NET, o.TRAINING, LENGTH)
def demo(
    run: o.RunFolder = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
    *,
    given: dict[str, Any],
) -> None:
    """Check a network that does not learn, repair it, prove the repair, train it. Two minutes.

    All of it on the 1,797 handwritten digits of scikit-learn, by the same commands any network
    gets; nothing is scripted, so other options give another, true answer.
    """
    from undertow.api import demo as acts
    from undertow.api.train import new_folder

    began = time.perf_counter()
    given["pool_at"] = _fitting(given["pool_at"], given["depth"])
    at = acts.stage(o.plan("conv", given))
    folder = Path(run) if run else new_folder("demo")
    show = _Show(given, quiet or json)
    report = show.check(at)
    fix = None if report.healthy else show.repair(at, report)
    done, watched = show.train(acts.job(at, fix, folder))
    before = report if fix is None else fix.report
    parts = [
        ("Before training", before, "The network as it was asked for, checked on copies."),
        ("The training, watched", watched, _score(done)),
    ]
    path = acts.page(parts, folder, f"undertow demo {o.typed(given)}")
    if json:
        machine(text.dumps(_facts(report, fix, watched, done), ensure_ascii=False))
    _ended(done, path, time.perf_counter() - began)


def _facts(report: Any, fix: Any, watched: Any, done: Any) -> dict[str, object]:
    """The three acts as data; the repair null where none was needed."""
    from undertow.core.codec import encode

    mended = None
    if fix is not None:
        report_text = text.loads(fix.report.to_json())
        mended = {"report": report_text, "verdict": encode(fix.verdict), "diff": fix.diff()}
    return {
        "check": text.loads(report.to_json()),
        "repair": mended,
        "train": text.loads(watched.to_json()),
        "held_back": encode(done.evaluations[-1]) if done.evaluations else None,
        "run": str(done.folder),
    }


class _Show:
    """The three acts on the terminal, each under the command that does the same."""

    def __init__(self, given: dict[str, Any], quiet: bool) -> None:
        self.given, self.quiet = given, quiet

    def check(self, at: Any) -> Any:
        from undertow.api import demo as acts

        _head(
            1, "Check before training", f"undertow check conv {o.typed(self.given)} --data digits"
        )
        with Progress(quiet=self.quiet) as progress:
            report = acts.look(at, o.typed(self.given), progress.tell)
        print(report.to_text(**terminal()))
        return report

    def repair(self, at: Any, report: Any) -> Any:
        from undertow.api import demo as acts

        shown = f"undertow repair conv {o.typed(self.given)} --data digits --diff"
        _head(2, "Repair and prove", shown)
        with Progress(quiet=self.quiet) as progress:
            fix = acts.mend(at, report, self.given["budget"], progress.tell)
        _told(fix)
        if fix.kept is not None:
            self.given.update({e.field: e.value for e in fix.kept.change})
        return fix

    def train(self, job: Any) -> Any:
        from undertow.api import demo as acts

        more = f"--epochs {self.given['epochs']} --schedule {self.given['schedule']}"
        shown = f"undertow train conv {o.typed(self.given)} --data digits {more}"
        _head(3, "Train with the watch on", shown)
        with Live(job.total, job.epoch, quiet=self.quiet) as live:
            options = o.typed(self.given)
            done, watched = acts.finish(job, live.step, live.finding, options)
        print(watched.to_text(**terminal()))
        return done, watched


def _fitting(pool_at: str | None, depth: int) -> str | None:
    """The pools that a net of this depth reaches; None for none."""
    words = (pool_at or "").split(",")
    return ",".join(p for p in words if p and (not p.isdigit() or int(p) < depth)) or None


def _head(number: int, title: str, command: str) -> None:
    print(f"\n── {number}  {title}\n   {command}\n")


def _told(fix: Any) -> None:
    from undertow.report.text import verdict_text

    print(verdict_text(fix.verdict, fix.report.tried, **terminal()))
    for line in fix.skipped:
        print(f"  not trained  {line}")
    if fix.diff():
        print(f"\n{fix.diff()}")


def _score(done: Any) -> str:
    if not done.evaluations or done.evaluations[-1].accuracy is None:
        return "The training ended before its first evaluation."
    last = done.evaluations[-1]
    return f"{last.accuracy:.2%} of {last.samples} held-back digits right after {last.step} steps."


def _ended(done: Any, path: Path, seconds: float) -> None:
    from undertow.api.demo import PASS, passed

    print(f"\nheld-back  {_score(done)}")
    print(f"run        {done.folder}")
    print(f"report     {path.resolve()}   (open it with a double click)")
    print(f"time       {seconds:.0f} s")
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not passed(done):
        print(f"the last training did not reach {PASS:.0%}", file=sys.stderr)
    ended(passed(done))
