"""Write constraints.txt from a good environment: what it holds, and what other extras need.

Run with the Python of an environment made by tools/setup.py:
`.venv/bin/python tools/constraints.py`. Packages of extras that are not installed there are
resolved beside it, so that no version that was tested changes.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = re.compile(r"^(pip|undertow|nvidia-.*|cuda-.*|triton|colorama)$", re.IGNORECASE)
HEAD = """\
# Versions tested together; made by tools/constraints.py. Limits, installs nothing.
# torch without a local label: the CPU build satisfies the plain pin, the reverse fails elsewhere.
"""


def pip(*words: str) -> str:
    """What pip prints in this environment."""
    command = [sys.executable, "-m", "pip", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def frozen() -> dict[str, str]:
    """Name -> version of all that is installed, local labels such as +cpu dropped."""
    lines = pip("freeze", "--all", "--exclude-editable").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {name: version.split("+")[0] for name, version in pairs}


def resolved(requirements: list[str], limits: dict[str, str]) -> dict[str, str]:
    """Name -> version of what these requirements add to the installed packages."""
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder, "limits.txt"), Path(folder, "report.json")
        constraints.write_text(text_of(limits), encoding="utf-8")
        ask = ("install", "--dry-run", "--quiet", "--report", str(report), "-c", str(constraints))
        pip(*ask, *requirements)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    found = [(item["metadata"]["name"], item["metadata"]["version"]) for item in items]
    return {name: version.split("+")[0] for name, version in found}


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def text_of(versions: dict[str, str]) -> str:
    """One `name==version` a line, sorted by normal form."""
    kept = {name: version for name, version in versions.items() if not NOT_OURS.match(name)}
    return "".join(f"{name}=={kept[name]}\n" for name in sorted(kept, key=normal))


def main() -> None:
    """Write the file; versions that it fixes already and the environment lacks stay."""
    target = ROOT / "constraints.txt"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [line for extra in project["optional-dependencies"].values() for line in extra]
    old = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
    fixed = dict(line.split("==") for line in old if "==" in line)
    installed = frozen()
    added = resolved([*project["dependencies"], *wanted], {**fixed, **installed})
    target.write_text(HEAD + text_of({**added, **installed}), encoding="utf-8")
    sys.stdout.write(f"{target.name}: {len(installed)} installed, {len(added)} resolved\n")


if __name__ == "__main__":
    main()
