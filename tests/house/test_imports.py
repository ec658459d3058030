"""What is imported is declared; what starts quickly or judges loads no torch."""

import ast
import json
import os
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from .source import Source

HEAVY = ("torch", "numpy", "sklearn", "scipy", "matplotlib", "PIL")
JUDGES = ("core", "record", "diagnosis", "remedies", "report")
START_CPU = 5.0  # seconds of processor time; 0.3 is the aim, a full machine is the reason
SHOW = """
import importlib, json, sys
for name in {names!r}:
    importlib.import_module(name)
print(json.dumps(sorted(name for name in {heavy!r} if name in sys.modules)))
"""

HELP = f"""
import atexit, json, runpy, sys
sys.argv = ["undertow", "--help"]
heavy = {HEAVY!r}
atexit.register(lambda: print(json.dumps([n for n in heavy if n in sys.modules])))
runpy.run_module("undertow", run_name="__main__", alter_sys=True)
"""


def declared(root: Path) -> set[str]:
    """Distributions named in pyproject.toml, extras included, in normal form."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {normal(line.split(">")[0].split("=")[0].split("[")[0]) for line in lines}


def normal(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


def imported(source: Source) -> set[str]:
    """Top-level modules that a file imports, anywhere in it, that are not ours."""
    names: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - {"undertow", "__future__"} - sys.stdlib_module_names


def test_imports_are_declared(sources: list[Source], root: Path) -> None:
    allowed, homes = declared(root), metadata.packages_distributions()
    missing = []
    for source in sources:
        for module in imported(source):
            owners = {normal(name) for name in homes.get(module, [module])}
            if not owners & allowed:
                missing.append(f"{source.path} imports {module} ({', '.join(sorted(owners))})")
    assert not missing, f"not in pyproject.toml: {missing}"


def test_torchvision_is_never_imported_at_module_level(sources: list[Source]) -> None:
    for source in sources:
        shallow = [n for n in source.tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = [ast.unparse(node) for node in shallow]
        assert not [name for name in names if "torchvision" in name], source.path


def test_import_loads_nothing_heavy(python: Callable[..., str]) -> None:
    assert json.loads(python("-c", SHOW.format(names=("undertow",), heavy=HEAVY))) == []


@pytest.mark.parametrize("package", JUDGES)
def test_judgement_loads_no_torch(package: str, python: Callable[..., str], root: Path) -> None:
    files = (root / "src" / "undertow" / package).rglob("*.py")
    names = [path.relative_to(root / "src").with_suffix("").parts for path in files]
    dotted = [".".join(parts).removesuffix(".__init__") for parts in sorted(names)]
    assert dotted, f"{package} has no modules"
    # matplotlib is an extra, for static figures: it may load numpy when asked for
    shown = [name for name in dotted if not name.endswith(".figure")]
    assert json.loads(python("-c", SHOW.format(names=shown, heavy=HEAVY))) == []


def test_help_loads_nothing_heavy_and_is_cheap(python: Callable[..., str]) -> None:
    before = os.times()
    text = python("-c", HELP)
    after = os.times()
    spent = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    assert json.loads(text.splitlines()[-1]) == []
    assert "check" in text
    assert spent < START_CPU
