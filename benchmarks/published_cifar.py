"""The published CIFAR ResNets on the test part of the JPEG copy of CIFAR-10, by `ut.evaluate`.

    python benchmarks/published_cifar.py FOLDER FILE.th... [--to RESULTS.jsonl]

FOLDER holds `train/` and `test/` with class folders; each FILE is one of the two published files,
known by its name. A line of JSON each: what was measured beside what its publisher states for the
original pixels. The copy is lossy, and the nets never saw its artefacts: its figures stand beside
each other only.
"""

import argparse
import json
import sys
from pathlib import Path

from harness import surroundings

import undertow as ut
from undertow.core.codec import encode
from undertow.models.weights import named


def measured(folder: str, file: Path) -> dict[str, object]:
    """The scores of a published file, and what is published of it."""
    entry = named(file.name)
    if entry is None:
        raise SystemExit(f"{file.name} is no published file; give one of the two .th files")
    found = ut.evaluate(file, folder, part="test")
    return {
        "title": "published CIFAR ResNet on the JPEG copy of the CIFAR-10 test set",
        "model": entry.model,
        "file": entry.file,
        "stated_on_original_pixels": entry.top1,
        "n": found.n,
        "accuracy": found.accuracy,
        "interval": found.interval,
        "loss": found.mean_loss,
        "balanced_accuracy": found.balanced,
        "calibration_error": found.calibration_error,
        "confusion": found.confusion,
        "skipped": len(found.skipped),
        **surroundings(),
    }


def main() -> None:
    """Evaluate every file given; append to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--to", type=Path)
    typed = parser.parse_args()
    for file in typed.files:
        line = json.dumps(encode(measured(typed.folder, file)))
        sys.stdout.write(line + "\n")
        if typed.to is not None:
            with typed.to.open("a") as held:
                held.write(line + "\n")


if __name__ == "__main__":
    main()
