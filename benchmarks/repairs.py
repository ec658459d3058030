"""Repairs against truth that was made elsewhere: does the first remedy work, is a cure ever false?

    python benchmarks/repairs.py FOLDER [--part failing|ranked|false|added|named|toys]
        [--n 24] [--seconds 1200] [--budget 240] [--only NAME|NAME]

FOLDER holds `build.py`, `grade.py` and `cases.jsonl` of the truth corpus. `failing`: nets that do
not train; the remedies in the order `check` ranks them are looked up in the corpus's own trainings
(and trained by its own loop where it never tried them), and the remedy a repair keeps is trained
in plain torch on seeds the repair never saw. `false`: trials that must not end in "repaired":
failing nets given a change the corpus saw fail, healthy nets given any change, shuffled labels.
`ranked`: as `failing` up to the look-up, without the repair: the first three remedies of a check,
each counted as what a repair does with it (our `relu` draws fitting weights too), beside the nets
that no single change of the corpus's makes train; a sample by seed over the families.
`added`: those of `false`, each with the seeds added that a promising first look asks for; and
trials of luck, whose arms are one and the same net that trains in some seeds only.
`named`: the programs of `sick.py` and `paper_forms.py`;
`toys`: those of `toys.py`. Results are lines of JSON in benchmarks/results; a run goes on
where it stopped.
"""

import argparse
import importlib
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import nn

RESULTS = Path(__file__).parent / "results"
CASES: list[Path] = []  # a file of fresh cases, where one was named
SEEDS, UNSEEN = 3, (101, 102, 103)
STEPS = 200
NARROW = ((3, 3), (4, 4), (4, 6))  # layers and units of nets that train in some seeds
POOL, DRAWN = 60, 2000  # seeds trained of each; trials drawn from them
OURS: dict[str, dict[str, Any]] = {  # our remedies that change more than one word of the corpus
    "relu": {"act": "relu", "init": "he"},
    "tanh": {"act": "tanh", "init": "xavier"},
    "skip + batch-norm": {"skip": True, "norm": "batch"},
    "batch-norm + skip": {"skip": True, "norm": "batch"},
    "relu + batch-norm": {"act": "relu", "init": "he", "norm": "batch"},
    "he-init": {"init": "he"},
    "xavier-init": {"init": "xavier"},
    "orthogonal-init": {"init": "orth"},
}
PARTS = ("failing", "ranked", "false", "added", "named", "toys")
SINGLE = (  # the corpus's changes of one factor
    "lr_good", "lr_x0.1", "lr_x0.01", "lr_x0.001", "lr_x10", "lr_x100", "init", "act_relu", "leak",
    "norm_batch", "skip", "depth3", "bias0", "input_std", "clip", "adam",
)  # fmt: skip
SAME = {"clip": "clip-norm", "bias0": "reset-bias"}  # the corpus's change is ours to the letter


class Here(Executor):
    """Runs at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **given: Any) -> Future[Any]:
        """The finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **given))
        except Exception as error:  # it is the task's result
            future.set_exception(error)
        return future


def kept(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of an earlier run by id."""
    text = path.read_text() if path.exists() else ""
    return {line["id"]: line for line in map(json.loads, text.splitlines())}


def each(
    name: str, jobs: Iterator[tuple[str, Callable[[], dict[str, Any]]]], seconds: float
) -> list[dict[str, Any]]:
    """Every job's line, old or new, until the time is up."""
    path, ends = RESULTS / f"repairs-{name}.jsonl", time.monotonic() + seconds
    done = kept(path)
    for ident, job in jobs:
        if ident in done or time.monotonic() > ends:
            continue
        began = time.process_time()
        done[ident] = {"id": ident, **job(), "seconds": round(time.process_time() - began, 1)}
        with path.open("a") as held:
            held.write(json.dumps(done[ident]) + "\n")
        sys.stdout.write(json.dumps(done[ident])[:300] + "\n")
        sys.stdout.flush()
    return list(done.values())


# Independent training: plain torch, seeds that no repair saw


def trains(  # noqa: PLR0913
    make: Callable[[int], nn.Module],
    data: tuple[torch.Tensor, torch.Tensor],
    loss: Callable[..., torch.Tensor],
    optimizer: Callable[..., Any],
    edits: dict[str, Any],
    constant: float | None,
    seed: int,
    steps: int = 300,
    batch: int = 64,
) -> bool:
    """Whether a changed net's mean loss over the last tenth of the steps is below .9 constant.

    `constant`: the best constant answer's loss; None: found here.
    """
    import undertow as ut
    from undertow.core.finding import Remedy
    from undertow.core.plan import Edit
    from undertow.nn.surgery import POSSIBLE

    x, y = data
    if edits.get("standardise"):
        over = [0] if x.ndim == 2 else [d for d in range(x.ndim) if d != 1]
        x = (x - x.mean(over, keepdim=True)) / x.std(over, keepdim=True).clamp_min(1e-8)
    torch.manual_seed(seed)
    net = make(seed)
    own = tuple(Edit(k, v) for k, v in edits.items() if k in POSSIBLE)
    if own:
        net = ut.apply(net, Remedy("kept", (), own, ""))
    if edits.get("loss") == "cross-entropy":
        loss = nn.functional.cross_entropy
    if constant is None:
        from undertow.instrument.constant import const_loss

        constant = const_loss(loss, net(x[:2]).detach(), y) or 1.0
    opt = optimizer(net.parameters())
    if edits.get("optimizer") == "adam":
        opt = torch.optim.Adam(net.parameters(), lr=edits["lr"])
    for group in opt.param_groups:
        group["lr"] = edits.get("lr", group["lr"])
    base = opt.param_groups[0]["lr"]
    draw, losses = torch.Generator().manual_seed(seed), []
    for step in range(steps):
        pick = torch.randint(len(x), (batch,), generator=draw)
        warm = min(1.0, (step + 1) / edits["warm_up"]) if edits.get("warm_up") else 1.0
        opt.param_groups[0]["lr"] = base * warm
        opt.zero_grad()
        value = loss(net(x[pick]), y[pick])
        value.backward()
        if edits.get("clip_norm"):
            nn.utils.clip_grad_norm_(net.parameters(), edits["clip_norm"])
        opt.step()
        losses.append(float(value))
    return fmean(losses[-max(1, steps // 10) :]) < 0.9 * constant


# Parts


def named(budget: float) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """The programs of sick.py and paper_forms.py, repaired and trained again."""
    from paper_forms import PRINTED
    from sick import NAMED

    for case in (*NAMED, *PRINTED):
        yield case.name, partial(_named, case, budget)


def toys(budget: float) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """The programs of toys.py, likewise."""
    from toys import TOYS

    for case in random.Random(0).sample(TOYS, len(TOYS)):  # so that a part of them is a fair one
        yield case.name, partial(_named, case, budget)


def _named(case: Any, budget: float) -> dict[str, Any]:
    import undertow as ut
    from undertow.nn.loss import criterion

    data = case.data()
    batches = list(zip(*(part.split(case.batch) for part in data), strict=True))
    fix = ut.repair(
        case.build, batches, case.loss, optimizer=case.optimizer, steps=case.steps, budget_s=budget,
        executor=Here(),
    )  # fmt: skip
    said = fix.verdict
    edits = {e.field: e.value for e in said.edits}
    call, _ = criterion(case.loss, data[1])
    again = []
    if said.word in ("repaired", "improved"):
        plain = nn.functional.binary_cross_entropy if edits.get("head") == "sigmoid" else call
        plain = call if case.loss == "mse" else plain
        takes = bool(signature(case.build).parameters)
        make = case.build if takes else lambda _: case.build()
        again = [
            trains(make, data, plain, case.optimizer, edits, None, s, case.steps, case.batch)
            for s in UNSEEN
        ]
    return {
        "curable": case.curable,
        "budget_s": budget,
        "word": said.word,
        "why": said.why,
        "mechanism": fix.report.mechanism,
        "remedy": said.remedy,
        "edits": edits,
        "tried": [[v.remedy, v.word] for v in fix.tried],
        "unseen": again,
    }


def failing(folder: str, n: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Failing nets of the corpus, every k-th."""
    cases = _cases(folder, "untrainable")
    for case in cases[:: max(1, len(cases) // n)][:n]:
        yield case["id"], partial(_failing, case)


def _cases(folder: str, outcome: str) -> list[dict[str, Any]]:
    text = (CASES[0] if CASES else Path(folder) / "cases.jsonl").read_text()
    cases = map(json.loads, text.splitlines())
    return [c for c in cases if c["robust"] and c["outcome"] == outcome]


def _built(config: dict[str, Any], seed: int) -> nn.Module:
    return importlib.import_module("build").build({**config, "seed": config["seed"] + seed}).model


def _repair(case: dict[str, Any], budget: float = 300) -> Any:
    """The repair of a case, as its builder, data and optimiser are."""
    import undertow as ut

    build = importlib.import_module("build")
    made = build.build(case["config"])
    return ut.repair(
        partial(_built, case["config"]),
        (made.X, made.y),
        nn.CrossEntropyLoss(),
        optimizer=lambda p: type(made.optimizer)(p, **_options(made.optimizer)),
        steps=STEPS,
        seeds=SEEDS,
        budget_s=budget,
        executor=Here(),
    )


def _options(optimizer: Any) -> dict[str, Any]:
    names = ("lr", "momentum") if isinstance(optimizer, torch.optim.SGD) else ("lr",)
    return {k: optimizer.defaults[k] for k in names}


def _failing(case: dict[str, Any]) -> dict[str, Any]:
    from truth import WORDS

    build = importlib.import_module("build")
    fix = _repair(case)
    first = [r.name for r in fix.report.remedies[:3]]
    works = [_works(case, name, WORDS.get(name)) for name in first]
    said, made = fix.verdict, build.build(case["config"])
    edits = {e.field: e.value for e in said.edits}
    unseen = []
    if said.word == "repaired":
        from undertow.instrument.constant import const_loss

        constant = const_loss(nn.CrossEntropyLoss(), torch.zeros(2, made.n_classes), made.y)
        make = partial(_built, case["config"])
        optimizer = lambda p: type(made.optimizer)(p, **_options(made.optimizer))  # noqa: E731
        unseen = [
            trains(make, (made.X, made.y), made.loss_fn, optimizer, edits, constant or 1.0, s)
            for s in UNSEEN
        ]
    return {
        "primary": case["primary"],
        "mechanism": fix.report.mechanism,
        "first": first,
        "works": works,
        "word": said.word,
        "remedy": said.remedy,
        "tried": [[v.remedy, v.word] for v in fix.tried],
        "unseen": unseen,
    }


def ranked(folder: str, n: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Failing nets, as many of each family as there are of the rarest until n are drawn."""
    cases = _cases(folder, "untrainable")
    random.Random(0).shuffle(cases)
    turns: dict[str, int] = {}
    order = [(turns.setdefault(c["family"], 0), c) for c in cases if _turn(turns, c["family"])]
    for _, case in sorted(order, key=lambda pair: pair[0])[:n]:
        yield case["id"], partial(_ranked, case)


def _turn(turns: dict[str, int], family: str) -> bool:
    turns[family] = turns.get(family, -1) + 1
    return True


def _ranked(case: dict[str, Any]) -> dict[str, Any]:
    import undertow as ut
    from truth import WORDS

    made = importlib.import_module("build").build(case["config"])
    report = ut.check(
        made.model, made.probe, made.loss_fn, optimizer=made.optimizer, clip_norm=made.clip
    )
    first = [r.name for r in report.remedies[:3]]
    return {
        "family": case["family"],
        "primary": case["primary"],
        "mechanism": report.mechanism,
        "first": first,
        "works": [_works(case, name, WORDS.get(name)) for name in first],
        "single": any(case["fixes"].get(w) for w in SINGLE),
    }


def _works(case: dict[str, Any], name: str, word: str | None) -> bool:
    """Whether a remedy made the corpus's own training succeed, or does when it is run now."""
    if name in OURS:
        attempt = importlib.import_module("draw").attempt
        return bool(attempt({**case["config"], **OURS[name]})[0])
    works = importlib.import_module("grade").works
    return bool(word and works(case, word, settle=True))


def false(folder: str, n: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Trials whose answer must not be "repaired": n of each of three kinds."""
    most = n
    for case in _cases(folder, "untrainable"):
        vain = [w for w in SAME if case["fixes"].get(w) is False][-1:]
        if vain and (n := n - 1) >= 0:
            yield f"{case['id']}-vain-{vain[0]}", partial(_given, case, SAME[vain[0]], None)
    for i, case in enumerate(_cases(folder, "trainable")[::6][:most]):
        word = ("batch-norm", "he-init", "relu", "lower-lr")[i % 4]
        yield f"{case['id']}-sound-{word}", partial(_given, case, word, None)
        yield f"{case['id']}-shuffled-{word}", partial(_given, case, word, 7)


def added(folder: str, n: int) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """The same trials with the seeds a promising one is given; and those of luck."""
    for narrow in NARROW:
        yield "luck-{}-layers-of-{}".format(*narrow), partial(_luck, *narrow)
    for ident, job in false(folder, n):
        yield f"{ident}-added", partial(job, longer=True)


def _luck(depth: int, width: int) -> dict[str, Any]:
    """Three arms of one and the same net that trains in some seeds: nothing is there to be shown.

    POOL seeds are trained once. A trial draws three arms of three seeds from them, the stage of
    added seeds five more each, as a repair does where the first look is promising. No two arms of
    a trial share a seed.
    """
    from sick import circles, mlp, sgd

    from undertow.api.repair import parts, sourced
    from undertow.experiment.effect import Arms, promising, trains, verdict
    from undertow.experiment.repair import STAGE
    from undertow.experiment.trials import Trials, trained
    from undertow.preflight import Deadline

    make = partial(mlp, act=nn.ReLU, width=width, depth=depth)
    train, held, batch = parts(circles(), 0.2)
    source = sourced(make, sgd(0.05), nn.CrossEntropyLoss(), None, batch)
    how = Trials(train, held, STEPS, tuple(range(POOL)), Deadline(math.inf), Here())
    (pool,) = trained(how, source, ("pool", ()))
    lot, names = random.Random(0), ("control", "treated", "decoy")
    first, second, asked = 0, 0, 0
    for _ in range(DRAWN):
        some = lot.sample(pool, len(names) * (SEEDS + STAGE))
        whole = [
            tuple(replace(t, arm=a, seed=s) for s, t in enumerate(some[i :: len(names)]))
            for i, a in enumerate(names)
        ]
        arms = Arms(*(arm[:SEEDS] for arm in whole))
        first += verdict(arms, "treated", ()).word == "repaired"
        if promising(arms):
            asked += 1
            second += verdict(Arms(*whole, looks=2), "treated", ()).word == "repaired"
    return {
        "drawn": DRAWN,
        "trains": [sum(map(trains, pool)), POOL],
        "repaired": first,
        "promising": asked,
        "repaired_after_added": second,
        "word": "repaired" if second else "not-shown",
    }


def _given(
    case: dict[str, Any], word: str, shuffle: int | None, *, longer: bool = False
) -> dict[str, Any]:
    """The verdict on one remedy, forced on a case; labels by lot where `shuffle` is given.

    `longer`: with the seeds added that a promising first look asks for, asked for or not.
    """
    from undertow.api.apply import named as remedy_of
    from undertow.api.repair import parts, sourced
    from undertow.core.plan import Edit
    from undertow.experiment.effect import Arms, promising, verdict
    from undertow.experiment.repair import _Tries
    from undertow.experiment.trials import Trials, trained
    from undertow.preflight import Deadline

    made = importlib.import_module("build").build(case["config"])
    x, y = made.X, made.y
    if shuffle is not None:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(shuffle))]
    train, held, batch = parts((x, y), 0.2)
    optimizer = lambda p: type(made.optimizer)(p, **_options(made.optimizer))  # noqa: E731
    source = sourced(partial(_built, case["config"]), optimizer, nn.CrossEntropyLoss())
    source = replace(source, choices=replace(source.choices, batch=batch))
    remedy = remedy_of(word)
    if word == "lower-lr":
        remedy = replace(remedy, change=(Edit("lr", source.choices.lr * 0.1),))
    trials = Trials(train, held, STEPS, tuple(range(SEEDS)), Deadline(math.inf), Here())
    arms = (("control", ()), (word, remedy.change), ("decoy: l2", (Edit("l2", 1e-4),)))
    control, treated, decoy = trained(trials, source, *arms)
    base = Arms(control, treated, decoy)
    said = verdict(base, word, remedy.change)
    line = {"word": said.word, "why": said.why, "remedy": word}
    if not longer:
        return line
    tries = _Tries(source, trials, base, arms[-1])
    wide = tries._longer(remedy, base, said)
    return {
        **line,
        "word": wide.word,
        "why": wide.why,
        "first": said.word,
        "asked": promising(base),
    }


def table(part: str, lines: list[dict[str, Any]]) -> str:
    """What was counted, as text with Wilson's intervals."""
    from truth import wilson

    def share(name: str, hits: list[bool]) -> str:
        low, high = wilson(sum(hits), len(hits))
        return f"{name:<34}{sum(hits):>4} of {len(hits):<4} [{low:.3f}, {high:.3f}]"

    if part == "added":
        drawn = [v for v in lines if "drawn" in v]
        rest = [v["word"] == "repaired" for v in lines if "drawn" not in v]
        hits, asked = (sum(v[k] for v in drawn) for k in ("repaired_after_added", "promising"))
        luck = [True] * hits + [False] * (asked - hits)
        return "\n".join(
            (
                share('false "repaired", seeds added', rest),
                share("the same of luck, promising", luck),
            )
        )
    if part == "false":
        return share('false "repaired"', [v["word"] == "repaired" for v in lines])
    if part.startswith("ranked"):
        alone = [v for v in lines if v["single"] or any(v["works"])]
        return "\n".join(
            (
                share("first remedy works", [v["works"][:1] == [True] for v in lines]),
                share("one of three works", [any(v["works"]) for v in lines]),
                share("a single change works at all", [v in alone for v in lines]),
                share("of those: first remedy works", [v["works"][:1] == [True] for v in alone]),
                share("of those: one of three works", [any(v["works"]) for v in alone]),
            )
        )
    if part == "failing":
        cured = [v for v in lines if v["word"] == "repaired"]
        return "\n".join(
            (
                share("first remedy works", [v["works"][:1] == [True] for v in lines]),
                share("one of three works", [any(v["works"]) for v in lines]),
                share("repaired", [v["word"] == "repaired" for v in lines]),
                share("repaired trains on unseen seeds", [u for v in cured for u in v["unseen"]]),
            )
        )
    sick = [v for v in lines if v["curable"]]
    return "\n".join(
        (
            share("curable programs repaired", [v["word"] == "repaired" for v in sick]),
            share("which train on unseen seeds", [u for v in sick for u in v["unseen"]]),
            share(
                "hopeless ones not shown",
                [v["word"] == "not-shown" for v in lines if not v["curable"]],
            ),
        )
    )


def main() -> None:
    """Run a part as far as the time allows; print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default="")
    parser.add_argument("--part", choices=PARTS, default="failing")
    parser.add_argument("--n", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--cases", default="", help="fresh cases in place of the folder's own")
    parser.add_argument("--only", default="", help="programs whose names hold one of these, by |")
    parser.add_argument("--budget", type=float, default=240, help="seconds of one repair")
    args = parser.parse_args()
    sys.path.insert(0, args.folder)
    torch.set_num_threads(1)
    CASES.extend([Path(args.cases)] if args.cases else [])
    jobs = {
        "failing": lambda: failing(args.folder, args.n),
        "ranked": lambda: ranked(args.folder, args.n),
        "false": lambda: false(args.folder, args.n),
        "added": lambda: added(args.folder, args.n),
        "named": lambda: named(args.budget),
        "toys": lambda: toys(args.budget),
    }[args.part]()
    wanted = args.only.split("|")
    jobs = ((ident, job) for ident, job in jobs if any(w in ident for w in wanted))
    sys.stdout.write(table(args.part, each(args.part, jobs, args.seconds)) + "\n")


if __name__ == "__main__":
    main()
