"""What is installed is what was tested, and the README's command is the one CI runs."""

import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

CI_EXTRAS = ("dev", "export", "plot")


def constraints(root: Path) -> dict[str, str]:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version for name, version in pairs}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def project(root: Path) -> dict[str, dict[str, list[str]]]:
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]


def needed(requirements: list[str]) -> set[str]:
    """The installed packages that these pull in, themselves included."""
    seen: set[tuple[str, str]] = set()
    waiting = [(line, "") for line in requirements]
    while waiting:
        line, extra = waiting.pop()
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = normal(requirement.name)
        for asked in {"", *requirement.extras}:
            if (name, asked) not in seen:
                seen.add((name, asked))
                waiting += [(below, asked) for below in metadata.requires(name) or []]
    return {name for name, _ in seen}


def asked_for(root: Path, extras: Iterable[str] | None = None) -> list[str]:
    """The core requirements and those of the extras; of all extras by default."""
    declared = project(root)
    table = declared["optional-dependencies"]
    names = table if extras is None else extras
    return [*declared["dependencies"], *(line for name in names for line in table[name])]


def test_installed_versions_are_the_tested_ones(root: Path) -> None:
    fixed, wrong = constraints(root), []
    for name in sorted(needed(asked_for(root, CI_EXTRAS))):
        version = metadata.version(name).split("+")[0]
        if fixed.get(name) != version:
            wrong.append(f"{name} {version}, in constraints.txt {fixed.get(name)}")
    assert not wrong, f"install under the constraints, or make them again: {wrong}"


def test_every_extra_is_constrained_within_its_bounds(root: Path) -> None:
    fixed = constraints(root)
    for requirement in map(Requirement, asked_for(root)):
        version = fixed.get(normal(requirement.name))
        assert version, f"{requirement.name} is not in constraints.txt"
        assert version in requirement.specifier


def test_constraints_hold_no_local_build_and_no_accelerator_package(root: Path) -> None:
    fixed = constraints(root)
    assert fixed["torch"] == "2.13.0"
    assert not [name for name, version in fixed.items() if "+" in version]
    assert not [name for name in fixed if name.startswith(("nvidia", "cuda", "triton"))]
    assert list(fixed) == sorted(fixed)


def test_version_has_one_source(root: Path) -> None:
    version = str(project(root)["version"])
    assert metadata.version("undertow") == version
    assert f"version: {version}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")


def test_ci_runs_the_command_of_the_readme(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8").splitlines()
    script = (root / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line.split("#")[0].strip() for line in readme if line.startswith("make test")]
    assert commands, "README.md shows no line that starts with: make test"
    assert set(commands) == {line for line in script if line.startswith("make test")}


def test_the_readme_is_short(root: Path) -> None:
    assert len((root / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
