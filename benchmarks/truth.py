"""Recall, false alarms and mechanism on networks whose fate and cause are known by training.

    python benchmarks/truth.py FOLDER [--part check|run] [--every 1] [--offset 0] [--out FILE]

FOLDER holds `build.py`, `grade.py` and a cases file of the truth corpus (or fresh cases drawn by
its generator: --cases FILE). Each scored case is judged once before training (`check`) and once
after its first 100 training steps (`run`); the verdicts are graded by the corpus's own grader,
which trains a remedy that was never tried. The last share is the roof of the two before it:
failing nets that any single change of the grader's twelve makes train. Nothing here is tuned on
the cases.
"""

import argparse
import importlib
import json
import math
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

STEPS = 100
WORDS = {
    "he-init": "init",
    "xavier-init": "init",
    "orthogonal-init": "init",
    "lsuv-init": "init",
    "relu": "act_relu",
    "leaky-relu": "leaky",
    "batch-norm": "norm_batch",
    "skip": "skip",
    "shallower": "shallower",
    "reset-bias": "bias0",
    "standardise-input": "input_std",
    "clip-norm": "clip",
    "adam": "adam",
    "lower-lr": "lr_down",
    "raise-lr": "lr_up",
}


def judged(job: tuple[str, str, dict[str, Any], bool]) -> dict[str, Any]:
    """One verdict line of a case: alarm, mechanism, remedies, seconds."""
    folder, part, case, deep = job
    sys.path.insert(0, folder)
    import torch

    torch.set_num_threads(1)
    built = importlib.import_module("build").build(case["config"])
    began = time.process_time()
    report = _check(built, deep) if part == "check" else _watched(built)
    words = [WORDS[r.name] for r in report.remedies if r.name in WORDS]
    return {
        "id": case["id"],
        "alarm": not report.healthy and not report.diagnosis.watching,
        "mechanism": None if report.healthy else report.mechanism.replace("-", "_"),
        "remedies": words,
        "symptoms": [s.name for s in report.symptoms],
        "seconds": round(time.process_time() - began, 2),
    }


def _check(built: Any, deep: bool) -> Any:
    import undertow as ut

    return ut.check(
        built.model,
        built.probe,
        built.loss_fn,
        optimizer=built.optimizer,
        clip_norm=built.clip,
        counterfactuals=deep,
    )


def _watched(built: Any) -> Any:
    """The report after the first 100 steps of the corpus's own training loop."""
    import torch

    import undertow as ut

    net, opt = built.model.train(), built.optimizer
    with ut.watch(net, optimizer=opt, loss=built.loss_fn) as w:
        for x, y in islice(built.batches(), STEPS + 1):
            loss = built.loss_fn(net(x), y)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            if built.clip:
                torch.nn.utils.clip_grad_norm_(net.parameters(), built.clip)
            w.loss(loss, y)
            opt.step()
            if not math.isfinite(loss.detach().item()):
                break
    return w.report()


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    p = right / n
    mid = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return mid - half, mid + half


def table(folder: str, cases: list[dict[str, Any]], verdicts: list[dict[str, Any]]) -> str:
    """The graded table as text."""
    sys.path.insert(0, folder)
    grader = importlib.import_module("grade")
    graded = grader.grade(cases, verdicts, settle=True)
    sick, well = graded["n_untrainable"], graded["n_trainable"]
    found, false = round(graded["recall"] * sick), round(graded["false_alarm"] * well)
    rows = [("recall", found, sick), ("false alarms", false, well)]
    rows += [
        (name.replace("_", " "), *graded[name])
        for name in (
            "false_alarm_norm",
            "false_alarm_good",
            "mechanism_strict",
            "mechanism_supported",
            "first_remedy_works",
            "any_of_3_remedies_works",
        )
    ]
    alarms = {v["id"] for v in verdicts if v["alarm"]}
    found_sick = [c for c in cases if c["outcome"] == "untrainable" and c["id"] in alarms]
    roof = sum(any(grader.works(c, w) for w in set(WORDS.values())) for c in found_sick)
    rows.append(("some single change works", roof, len(found_sick)))
    lines = [
        f"{name:<26}{k:>5} of {n:<5}{k / max(1, n):>7.3f}  [{_range(k, n)}]" for name, k, n in rows
    ]
    lines.append(f"first remedy untried       {graded['first_remedy_untried']}")
    lines.append(f"missed                     {graded['missed']}")
    lines.append(f"false alarms on            {' '.join(graded['false_alarms'])}")
    spent = sorted(v["seconds"] for v in verdicts)
    lines.append(f"CPU seconds a case         median {spent[len(spent) // 2]}, most {spent[-1]}")
    return "\n".join(lines)


def _range(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{low:.3f}, {high:.3f}"


def _jobs(args: argparse.Namespace, cases: list[dict[str, Any]]) -> Iterator[Any]:
    for case in cases:
        yield args.folder, args.part, case, not args.shallow


def main() -> None:
    """Judge, write the verdict lines, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--cases")
    parser.add_argument("--part", choices=("check", "run"), default="check")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shallow", action="store_true", help="no counterfactuals")
    parser.add_argument("--out")
    args = parser.parse_args()
    path = Path(args.cases or Path(args.folder) / "cases.jsonl")
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    scored = [c for c in cases if c["robust"] and c["outcome"] in ("trainable", "untrainable")]
    scored = scored[args.offset :: args.every]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, mp_context=context) as pool:
        verdicts = list(pool.map(judged, _jobs(args, scored)))
    if args.out:
        Path(args.out).write_text("".join(json.dumps(v) + "\n" for v in verdicts))
    sys.stdout.write(table(args.folder, scored, verdicts) + "\n")


if __name__ == "__main__":
    main()
