"""Bring the stored results and docs/book up to date with the studies as they stand.

    python tools/book.py [FOLDER]

FOLDER holds what `undertow study NAME --full --json > FOLDER/NAME.json` wrote; each such result
takes the place of the stored one. Without it the stored numbers are judged again by the words and
margins of today, which is what a changed sentence needs. Nothing is trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

from undertow.studies import NAMES, book, engine, study
from undertow.studies.result import Result, from_json

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "src" / "undertow" / "studies" / "results"
BOOK = ROOT / "docs" / "book"


def main(folder: Path | None) -> None:
    """Rewrite every stored result, then the pages."""
    found = [_judged(name, folder) for name in NAMES]
    texts = {result.study: result.to_json() + "\n" for result in found}
    for name, text in texts.items():
        (STORED / f"{name}.json").write_text(text, encoding="utf-8")
    book.write([from_json(text) for text in texts.values()], BOOK, copies=False)  # as stored


def _judged(name: str, folder: Path | None) -> Result:
    file = STORED / f"{name}.json"
    if folder is not None and (folder / f"{name}.json").is_file():
        file = folder / f"{name}.json"
    result = from_json(file.read_text(encoding="utf-8"))
    faults = [fault for arm in result.arms for fault in arm.faults]
    if faults:
        raise SystemExit(f"{file}: {faults[0]}")
    return engine.again(study(name), result)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
