"""Set up the environment: torch alone first, then this package with the extras asked for.

Called by `make demo`, `make test` and `make setup`; standard library only. What it reads:
EXTRAS, VENV, TORCH_INDEX and UNDERTOW_UV, by the environment or by the options below.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
STAMP = "undertow-setup.json"  # what is installed; written last, deleted first
OURS = "undertow-made"  # this script made the environment and may repair it
HASHED = ("pyproject.toml", "constraints.txt", "tools/setup.py")
HARMLESS = re.compile(r"Location '.*' is ignored: it is (neither|either)")  # pip, empty find-links
ADVICE = (
    (r"No space left|Disk quota", "the disk is full: an environment needs about 1.5 GB here"),
    (
        r"[Cc]onnection (broken|refused|reset|error)|NewConnectionError|timed? ?out|dns error"
        r"|name resolution|failed to connect|error sending request|[Nn]etwork (is|was) ",
        "no package index answered: check the network or the proxy, then run the same line again",
    ),
    (
        r"No matching distribution found for torch|[Nn]o version of torch|torch\S* has no wheels"
        r"|torch was not found",
        "no torch of this version for this Python and machine where pip looked: check the network,"
        " or choose another Python (PYTHON=python3.12) or index (TORCH_INDEX=https://...)",
    ),
)


def say(text: str) -> None:
    """Write one line for the person at the terminal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def stop(text: str, code: int) -> NoReturn:
    """End with one clear line: code 2 for wrong use, 3 for the environment."""
    sys.stderr.write(f"set-up: {text}\n")
    raise SystemExit(code)


# -- what is wanted ---------------------------------------------------------------------------


def known_extras(root: Path) -> set[str]:
    """Names of the extras in pyproject.toml."""
    import tomllib  # here, so that an older Python reaches the line that refuses it

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def parse_extras(text: str, known: set[str]) -> set[str]:
    """The extras in `dev,plot` or `dev plot`; a name that is not known ends the script."""
    wanted = {word for word in re.split(r"[,\s]+", text) if word}
    for word in sorted(wanted - known):
        stop(f"EXTRAS: {word!r} is unknown; choose from {', '.join(sorted(known))}", 2)
    return wanted


def fingerprint(root: Path) -> str:
    """Hash of the files that decide what an environment holds."""
    digest = hashlib.sha256()
    for name in HASHED:
        digest.update((root / name).read_bytes() + b"\0")
    return digest.hexdigest()


def read_stamp(venv: Path) -> dict[str, object]:
    """What the environment's stamp says; empty where there is none that can be read."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def stamped_extras(stamp: dict[str, object]) -> set[str]:
    """The extras that a stamp names."""
    extras = stamp.get("extras", [])
    return {str(word) for word in extras} if isinstance(extras, list) else set()


def is_ready(stamp: dict[str, object], digest: str, wanted: set[str], index: str) -> bool:
    """Whether the stamped environment holds all that is wanted: a superset is enough."""
    same_torch = not index or stamp.get("torch_index") == index
    return stamp.get("hash") == digest and wanted <= stamped_extras(stamp) and same_torch


def torch_pin(constraints: Path) -> str:
    """The line of the constraints that fixes torch."""
    for line in constraints.read_text(encoding="utf-8").splitlines():
        if line.startswith("torch=="):
            return line.strip()
    stop(f"{constraints.name} has no line torch==...; make it again with tools/constraints.py", 3)


# -- the environment --------------------------------------------------------------------------


def python_of(venv: Path) -> Path:
    """The interpreter inside an environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def answers(python: Path, code: str) -> str | None:
    """What a line of Python prints in that environment; None if it fails."""
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def make_environment(venv: Path) -> None:
    """Create the environment where it is missing or half made; never delete or upgrade one."""
    python = python_of(venv)
    if not python.exists() and venv.exists() and any(venv.iterdir()) and not (venv / OURS).exists():
        stop(f"{venv} is there but is no environment; name another one with VENV=...", 2)
    if not python.exists():
        say(f"set-up: creating {venv}")
        venv.mkdir(parents=True, exist_ok=True)
        (venv / OURS).write_text("by tools/setup.py\n", encoding="utf-8")
        if subprocess.run([sys.executable, "-m", "venv", str(venv)]).returncode:
            stop("no environment could be made: install the venv module (python3-venv)", 3)
    version = answers(python, "import sys; print(sys.version_info >= (3, 11))")
    if version != "True":
        what = "does not start" if version is None else "is older than 3.11"
        stop(f"the Python in {venv} {what}; delete that folder or name another (VENV=...)", 2)


def site_of(python: Path) -> Path:
    """The folder of installed packages."""
    found = answers(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    if found is None:
        stop(f"{python} cannot say where its packages are", 3)
    return Path(found)


def broken_installs(site: Path) -> list[Path]:
    """The `.dist-info` folders of packages whose files are not all there, in full length."""
    return [info for info in sorted(site.glob("*.dist-info")) if not _complete(site, info)]


def _complete(site: Path, info: Path) -> bool:
    try:
        lines = (info / "RECORD").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False  # pip writes RECORD last
    for line in lines:
        name, _, size = line.rpartition(",")
        path = site / name.rpartition(",")[0].strip('"')
        if path.suffix == ".pyc":
            continue
        try:
            length = path.stat().st_size
        except OSError:
            return False
        if size.isdigit() and int(size) != length:
            return False
    return (info / "METADATA").exists()


def repair(site: Path) -> None:
    """Forget packages that an interrupted install left half written, so they come anew."""
    for info in broken_installs(site):
        say(f"set-up: {info.name.split('-')[0]} is incomplete and is installed again")
        shutil.rmtree(info)


# -- the installer ----------------------------------------------------------------------------


def installer(python: Path) -> tuple[str, list[str]]:
    """Name and command line of uv where it is present and not refused, else of pip."""
    uv = shutil.which("uv")
    if uv and os.environ.get("UNDERTOW_UV") != "0":
        return "uv", [uv, "pip", "install", "--python", str(python)]
    if answers(python, "import pip._internal.cli.main") is None:
        subprocess.run([str(python), "-m", "ensurepip"], check=False)
    pip = [str(python), "-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]
    return "pip", pip


def surroundings(env: dict[str, str]) -> dict[str, str]:
    """The variables for the installer: uv learns pip's find-links, no redirection of either."""
    changed = dict(env)
    for name in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "VIRTUAL_ENV", "CONDA_PREFIX"):
        changed.pop(name, None)
    links = env.get("PIP_FIND_LINKS", "").split()
    if links and not env.get("UV_FIND_LINKS"):
        changed["UV_FIND_LINKS"] = ",".join(links)
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        if not changed.get(name, "").strip():
            changed.pop(name, None)
    return changed


def advice(output: str) -> str:
    """One line on what to do about a failed install."""
    for pattern, line in ADVICE:
        if re.search(pattern, output):
            return line
    return "the installer's own lines above say why; the next run takes up where this one stopped"


def install(command: list[str]) -> None:
    """Run the installer and pass its lines on; if it fails show them whole, then the advice."""
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=surroundings(dict(os.environ)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not HARMLESS.search(line):
                sys.stdout.write(line)
                sys.stdout.flush()
    if process.returncode:
        hidden = [line for line in lines if HARMLESS.search(line)]
        sys.stderr.writelines(hidden)
        stop(f"{' '.join(command)}\nset-up: failed: {advice(''.join(lines))}", 3)


def limits(python: Path, venv: Path, foreign: bool) -> tuple[str, list[str]]:
    """What to ask of torch and the limits on the rest.

    In an environment that is the user's own and has a torch, that torch and all else stay.
    """
    constraints = ROOT / "constraints.txt"
    has = answers(python, "import importlib.metadata as m; print(m.version('torch'))")
    if not (foreign and has):
        return torch_pin(constraints), ["-c", str(constraints)]
    keep = venv / "undertow-keep.txt"
    keep.write_text(f"torch=={has}\n", encoding="utf-8")
    return f"torch=={has}", ["-c", str(keep)]


def install_all(venv: Path, extras: set[str], index: str, foreign: bool) -> str:
    """Install torch first, so that nothing else chooses it; returns the final line."""
    python = python_of(venv)
    name, command = installer(python)
    torch, limit = limits(python, venv, foreign)
    first = ["--no-deps", torch]
    if index:
        again = ["--reinstall-package", "torch"] if name == "uv" else ["--force-reinstall"]
        first = [*again, "--index-url", index, *first]
    install([*command, *first])  # without its dependencies: the next step brings those
    listed = ",".join(sorted(extras))
    install([*command, *limit, "-e", f".[{listed}]" if listed else "."])
    seen = answers(
        python,
        "import torch; c = torch.cuda.is_available(); print(torch.__version__, 'on',"
        " torch.cuda.get_device_name() if c else 'mps' if torch.backends.mps.is_available()"
        " else 'cpu')",
    )
    if seen is None:
        stop(f"torch is installed but does not load: try {python} -c 'import torch'", 3)
    return f"torch {seen}; undertow with {listed or 'core only'}; by {name}"


def main() -> None:
    """Bring the environment to what is wanted; touch nothing where it is there already."""
    started = time.monotonic()
    if sys.version_info < (3, 11):  # noqa: UP036 - the refusal itself
        version = ".".join(map(str, sys.version_info[:3]))
        stop(f"Python {version} is too old: Undertow needs 3.11; name one with PYTHON=...", 2)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extras", default=os.environ.get("EXTRAS", ""))
    parser.add_argument("--venv", default=os.environ.get("VENV") or ".venv")
    parser.add_argument("--torch-index", default=os.environ.get("TORCH_INDEX", ""))
    given = parser.parse_args()
    os.chdir(ROOT)
    venv, index = Path(os.path.abspath(os.path.expanduser(given.venv))), given.torch_index.strip()
    wanted, digest = parse_extras(given.extras, known_extras(ROOT)), fingerprint(ROOT)
    stamp = read_stamp(venv)
    if is_ready(stamp, digest, wanted, index) and python_of(venv).exists():
        say(f"set-up: nothing to do ({stamp.get('line')})")
        return
    ours = venv == ROOT / ".venv" or (venv / OURS).exists() or not venv.exists()
    (venv / STAMP).unlink(missing_ok=True)
    make_environment(venv)
    if ours and not stamp:
        repair(site_of(python_of(venv)))
    extras = wanted | stamped_extras(stamp)
    before = str(stamp.get("torch_index") or "")
    line = install_all(venv, extras, "" if index == before else index, foreign=not ours)
    new = {"hash": digest, "extras": sorted(extras), "torch_index": index or before, "line": line}
    (venv / STAMP).write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    say(f"set-up: {line}; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("interrupted; the next run takes up where this one stopped", 130)
