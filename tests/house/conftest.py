"""The package's source files, parsed once for all house tests; a fresh Python."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .source import ROOT, Source


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository root."""
    return ROOT


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every file under src/undertow."""
    paths = sorted((ROOT / "src" / "undertow").rglob("*.py"))
    assert paths, "no source files found"
    texts = [(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in paths]
    return [Source(path, text, ast.parse(text)) for path, text in texts]


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """Run a fresh Python in an empty folder; returns what it prints, fails if it fails."""

    def run(*words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
