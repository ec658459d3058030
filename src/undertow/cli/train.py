"""`undertow train`."""

import sys
from typing import Annotated, Any

import typer

from undertow.cli import options as o
from undertow.cli.output import FINDINGS, machine, terminal

INTERRUPTED = 130
TYPED = "COMMANDLINE"
LENGTH: o.Group = {
    "epochs": (Annotated[int, typer.Option(min=1, help="Passes over the training part.")], 10),
    "steps": (
        Annotated[int | None, typer.Option(min=1, help="Steps in all, in place of epochs.")],
        None,
    ),
    "schedule": (
        Annotated[
            str,
            typer.Option(help="constant, cosine, step, multi-step, one-cycle, poly or plateau."),
        ],
        "constant",
    ),
    "drop_every": (Annotated[int, typer.Option(help="Epochs between drops of step.")], 30),
    "milestones": (
        Annotated[str | None, typer.Option(help="Epochs of the drops, as 30,60.")],
        None,
    ),
    "gamma": (Annotated[float, typer.Option(help="Factor of a drop.")], 0.1),
    "power": (Annotated[float, typer.Option(help="Exponent of poly.")], 1.0),
    "plateau_wait": (Annotated[int, typer.Option(help="Evaluations before a drop.")], 10),
    "momentum": (Annotated[float, typer.Option(help="Of SGD.")], 0.9),
    "accumulate": (Annotated[int, typer.Option(min=1, help="Micro-batches a step.")], 1),
    "label_smoothing": (Annotated[float, typer.Option(help="Share given to all classes.")], 0.0),
    "balance": (Annotated[str, typer.Option(help="none, inverse, effective or sampler.")], "none"),
    "ema": (Annotated[float, typer.Option(help="Decay of averaged weights; 0 is off.")], 0.0),
    "no_norm_decay": (
        Annotated[bool, typer.Option("--no-norm-decay", help="No L2 on norms and biases.")],
        False,
    ),
    "patience": (Annotated[int, typer.Option(help="Evaluations without a better one.")], 0),
    "aux_weight": (
        Annotated[float | None, typer.Option(help="Of auxiliary losses; the paper's .3.")],
        None,
    ),
    "precision": (Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")], "auto"),
    "channels_last": (
        Annotated[bool, typer.Option("--channels-last/--no-channels-last", help="Layout.")],
        True,
    ),
    "evaluate_every": (Annotated[int, typer.Option(help="Steps; 0 is every epoch.")], 0),
    "warm_up": (Annotated[int, typer.Option(min=0, help="Steps of linear warm-up.")], 0),
    "validation": (o.Validation, 0.2),
    "side": (
        Annotated[int | None, typer.Option(min=1, help="Pixels a side; the model's own.")],
        None,
    ),
    "augment": (
        Annotated[
            str | None,
            typer.Option(
                help="resized-crop or shift, flip, jitter, pca, erase: words with commas."
            ),
        ],
        None,
    ),
    "mixup": (Annotated[float, typer.Option(min=0, help="α of mixup; 0 is off.")], 0.0),
    "cutmix": (Annotated[float, typer.Option(min=0, help="α of cutmix; 0 is off.")], 0.0),
}
TRANSFER: o.Group = {
    "weights": (
        Annotated[str | None, typer.Option(help="Train on from a tag, a file or a run.")],
        None,
    ),
    "freeze": (
        Annotated[
            str | None,
            typer.Option(help="body, a stage (up to and including it), none, or path patterns."),
        ],
        None,
    ),
    "unfreeze": (
        Annotated[
            str | None,
            typer.Option(help="What begins to train when, as 1:layer4,2:layer3; epochs from 0."),
        ],
        None,
    ),
    "layer_decay": (
        Annotated[float, typer.Option(help="Rate of a stage over the next one's to the head.")],
        1.0,
    ),
    "layer_lr": (
        Annotated[str | None, typer.Option(help="Rates of first stage and head, as 1e-4,1e-2.")],
        None,
    ),
    "unfrozen_lr": (
        Annotated[float, typer.Option(help="Factor of all rates once more trains.")],
        1.0,
    ),
    "train_norm": (
        Annotated[bool, typer.Option("--train-norm", help="Frozen norms train all the same.")],
        False,
    ),
    "cache_features": (
        Annotated[
            bool,
            typer.Option("--cache-features", help="Frozen body, its features computed once."),
        ],
        False,
    ),
}
LIMITS: o.Group = {
    "auto_fix": (
        Annotated[
            str,
            typer.Option(help="off, ask or on: repair what is found, prove it, and go on."),
        ],
        "off",
    ),
    "auto_fix_budget_s": (
        Annotated[float, typer.Option("--auto-fix-budget-s", help="Seconds of one repair.")],
        300.0,
    ),
    "resume": (
        Annotated[str | None, typer.Option(help="Go on with this run; all else is in it.")],
        None,
    ),
    "checkpoint_every": (
        Annotated[int, typer.Option(min=0, help="Steps between checkpoints; 0: at evaluations.")],
        0,
    ),
    "budget_s": (
        Annotated[
            float | None,
            typer.Option("--budget-s", min=0, help="Stop, resumable, after such seconds."),
        ],
        None,
    ),
    "find_lr": (
        Annotated[
            bool,
            typer.Option("--find-lr", help="Only sweep learning rates and print what they do."),
        ],
        False,
    ),
    "loggers": (
        Annotated[
            str | None,
            typer.Option(
                help="tensorboard, csv or none; TensorBoard where it is installed unless given."
            ),
        ],
        None,
    ),
    "workers": (Annotated[int, typer.Option(min=0, help="Processes that read samples.")], 0),
    "strict": (
        Annotated[bool, typer.Option("--strict", help="Stop at the first bad image.")],
        False,
    ),
    "accept_data_change": (
        Annotated[
            bool, typer.Option("--accept-data-change", help="Resume although the data changed.")
        ],
        False,
    ),
}
ModelOr = Annotated[str, typer.Argument(help="A zoo name, module:callable or file.py:callable.")]

Still = Annotated[bool, typer.Option("--quiet", "-q", help="One line at the end, no more.")]


@o.takes(o.NET, o.TRAINING, LENGTH, TRANSFER, LIMITS)
def train(
    context: typer.Context,
    model: ModelOr = "cifar_resnet20",
    data: o.Data = "digits",
    run: o.RunFolder = None,
    json: o.Json = False,
    quiet: Still = False,
    *,
    given: dict[str, Any],
) -> None:
    """Train a network with the watch on; leaves a run folder with checkpoints and a report.

    Exit code 1 where the watch has a finding at the end; Ctrl-C saves and ends with 130.
    On several processes: torchrun --nproc-per-node 2 -m -- undertow train ...
    """
    from pathlib import Path

    from undertow.api.ranks import as_rank
    from undertow.api.train import new_folder

    given["milestones"] = o.pools(given["milestones"]) or ()
    given["layer_lr"] = o.slice_of(given["layer_lr"])
    words = {"model": model, "data": data, "run": run, "json": json, "quiet": quiet, **given}
    typed = _typed(context, words)
    folder = Path(run or words["resume"] or new_folder(model))

    def work(ranks: Any, home: Path) -> int:
        words["run"] = str(home)
        return _train(words, typed, ranks)

    raise typer.Exit(as_rank(folder, work))


def _train(words: dict[str, Any], typed: dict[str, Any], ranks: Any) -> int:
    """The exit code of a training; ranks above 0 print nothing."""
    from dataclasses import replace

    from undertow.api.auto_fix import AutoFix, asked, fixing, warned
    from undertow.api.diagnose import diagnose
    from undertow.api.train import COMPLETE, Loggers
    from undertow.cli.live import Live

    job = replace(_again(words, typed) if words["resume"] else _new(words, typed), ranks=ranks)
    if words["find_lr"]:
        return _swept(job, json=words["json"]) if ranks.first else 0
    still = words["quiet"] or words["json"] or not ranks.first
    if not still:
        _begins(job)
    told = words["loggers"] if ranks.first else "none"
    with (
        Live(job.total, job.epoch, quiet=still) as live,
        Loggers(told, job.folder, live.step) as out,
    ):
        budget = words["auto_fix_budget_s"]
        how = AutoFix(words["auto_fix"], live.around(asked), warned, budget, again=live.anew)
        options = o.typed(words)
        done = fixing(job, how, out.each, live.finding, options)
    if not ranks.first:
        return INTERRUPTED if done.interrupted else 0
    report = diagnose(done.folder)
    _print(done, report, json=words["json"], quiet=words["quiet"])
    if not still:
        _ends(done, job)
    elif told := [note for note in done.notes if note.startswith(COMPLETE)]:
        print(f"undertow: {told[0]}", file=sys.stderr)
    if done.interrupted:
        return INTERRUPTED
    return 0 if report.healthy or report.diagnosis.watching else FINDINGS


BAR, ROWS = 40, 20  # characters of the longest bar; lines of the curve


def _swept(job: Any, *, json: bool) -> int:
    """Print the curve of losses over rates and what it suggests; nothing is trained."""
    from dataclasses import asdict
    from json import dumps

    from undertow.api.rate import rates
    from undertow.core.codec import encode

    found = rates(job)
    if json:
        machine(dumps(encode(asdict(found))))
        return 0
    most = max((p[2] for p in found.curve if p[2] < float("inf")), default=1.0) or 1.0
    for rate, _, loss in found.curve[:: max(1, len(found.curve) // ROWS)]:
        bar = "" if loss != loss or loss > most else "#" * round(BAR * max(0.0, loss) / most)
        print(f"lr {rate:8.1e}  loss {loss:8.4g}  {bar}")
    if found.why:
        print(f"no suggestion: {found.why}")
        return FINDINGS
    print(f"steepest fall at {found.steepest:.2g}, a tenth of the lowest loss's {found.tenth:.2g}")
    print(f"nothing was changed; to use it: --lr {found.steepest:.2g}")
    return 0


def _begins(job: Any) -> None:
    """Say what trains when, and what the weights brought along, before anything does."""
    for note in job.notes:
        print(f"note       {note}")
    for found in job.static:
        print(f"{'look at' if found.note else 'finding'}    {found.id} {found.name}: {found.says}")
    for line in job.schedule:
        print(f"schedule   {line}")


def _ends(done: Any, job: Any) -> None:
    """Say what came up on the way: files that were skipped, why it ended early, what is slow."""
    for note in done.notes:
        if note not in job.notes:
            print(f"note       {note}")


def _new(given: dict[str, Any], typed: dict[str, Any]) -> Any:
    from pathlib import Path

    from undertow.api.data import with_files
    from undertow.api.target import data_for, source
    from undertow.api.train import completed, fitted, one_unit, prepared

    arrays = with_files(data_for(given["data"], None), given["strict"])
    arrays = fitted(arrays, given["model"], given["side"])
    given["classes"] = one_unit(given["loss"], given["classes"], arrays)
    share, folder = given["validation"], Path(given["run"])
    plan = completed(o.plan(given["model"], given), typed, arrays, share)
    made = source(plan, arrays)
    return prepared(made, arrays, share, given["seed"], folder, _limits(given))


def _typed(context: typer.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The options that stood on the command line, those of the sitting left out."""
    return {
        name: o.pools(value) if name == "pool_at" else value
        for name, value in given.items()
        if name not in {*LIMITS, "json", "quiet"}
        and getattr(context.get_parameter_source(name), "name", "") == TYPED
    }


def _again(given: dict[str, Any], typed: dict[str, Any]) -> Any:
    """The job of a run that goes on; only what was typed is compared with it."""
    from pathlib import Path

    from undertow.api.resume import Again, resumed

    resume = Path(given["resume"])
    if Path(typed.pop("run", resume)).resolve() != resume.resolve():
        raise typer.BadParameter("a resume writes into its own run folder; leave --run out")
    how = Again(resume, _limits(given), None, given["accept_data_change"])
    return resumed(how, typed)


def _limits(given: dict[str, Any]) -> Any:
    from undertow.api.train import Limits

    return Limits(given["checkpoint_every"], given["budget_s"], given["workers"])


def _print(done: Any, report: Any, *, json: bool, quiet: bool) -> None:
    if json:
        machine(report.to_json())
        return
    if done.interrupted:
        print(f"interrupted at step {len(done.metrics)}; the last state is saved", file=sys.stderr)
    if quiet:
        names = " ".join(s.id for s in report.symptoms)
        state = "watching" if report.diagnosis.watching else report.mechanism
        print("  ".join(w for w in (str(done.folder), _held(done), state, names) if w))
        return
    print(report.to_text(**terminal()))
    if done.evaluations:
        print(_held(done))
    print(f"run        {done.folder}\nreport     {done.folder / 'report.html'}")


def _held(done: Any) -> str:
    """The last evaluation in words; "" where there was none."""
    if not done.evaluations:
        return ""
    last = done.evaluations[-1]
    right = "" if last.accuracy is None else f", {last.accuracy:.2%} right"
    return f"held-back  loss {last.loss:.4g}{right} ({last.samples} samples)"
