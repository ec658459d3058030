"""How long the quick form of every study takes, and whether other seeds contradict the book.

    python benchmarks/studies.py [NAME ...] [--part quick | all | seeds] [--json]

`quick`: each study as a user calls it, `undertow study NAME --quick`, in a process of its own that
keeps no cells, with the default workers. `all`: the same for `undertow study all --quick`. Beside
the seconds that passed stand the CPU seconds of the process and its workers, which another user of
the machine hardly changes: over 2 cores they are the least that the run can take, start-up of the
workers included. `seeds`: each study with the seeds 100 to 104, none of which the book has seen,
and every claim where one of the two says supported and the other refuted.

`results/studies.jsonl` holds what was measured. The row of 46 quick forms before the last, on a
machine at rest: 2.6 to 24.4 s by the clock, 501 s in all. The last, `seeds`: of 81 claims 75 have
the same verdict, six go between a verdict and inconclusive, none is contradicted.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

from harness import surroundings

from undertow.studies import NAMES, engine, study
from undertow.studies.result import stored
from undertow.studies.verdict import disagree

CORES = 2
LIMIT, ALL_LIMIT = 30.0, 600.0  # seconds on two cores
OTHERS = range(100, 105)


def quick(name: str) -> dict[str, Any]:
    """Seconds of one call, in a process of its own."""
    call = [sys.executable, "-m", "undertow", "study", name, "--quick", "--keep", "", "--json"]
    began, before = time.monotonic(), os.times()
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])  # of the process and of the workers it waited for
    limit = ALL_LIMIT if name == "all" else LIMIT
    return {
        "part": "quick",
        "study": name,
        "exit": done.returncode,
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(cpu, 1),
        "over_2_cores_s": round(cpu / CORES, 1),
        "limit_s": limit,
        "load": round(os.getloadavg()[0], 1),
    }


def seeds(name: str) -> dict[str, Any]:
    """The verdicts of five other seeds beside the stored ones."""
    held = {c.id: c.verdict for c in stored()[name].claims}
    found = {c.id: c.verdict for c in engine.run(study(name), OTHERS).claims}
    against = [c for c, word in held.items() if disagree(word, found[c])]
    return {
        "part": "seeds",
        "study": name,
        "stored": held,
        "other": found,
        "contradicted": against,
    }


def rows(names: list[str], part: str) -> list[dict[str, Any]]:
    """One row a study; exact ones have no seeds."""
    if part == "all":
        return [_told(quick("all"))]
    if part == "seeds":
        return [_told(seeds(n)) for n in names if not study(n).exact]
    return [_told(quick(n)) for n in names]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    shown = {k: v for k, v in row.items() if k not in ("stored", "other", "part", "limit_s")}
    sys.stderr.write("  ".join(f"{k} {v}" for k, v in shown.items()) + "\n")
    sys.stderr.flush()
    return row


def main() -> None:
    """Run a part and print it; a line of JSON with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--part", choices=("quick", "all", "seeds"), default="quick")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = rows(given.names or list(NAMES), given.part)
    if given.json:
        sys.stdout.write(json.dumps({"title": "studies", **surroundings(), "rows": found}) + "\n")


if __name__ == "__main__":
    main()
