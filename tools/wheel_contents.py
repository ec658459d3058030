"""Check that a wheel holds what the package needs at run time, and nothing of the tests."""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (".html", ".md", ".css", ".typed", ".py")


def missing(names: set[str]) -> list[str]:
    """What lies under src/undertow, or must lie beside it, and is not among the names."""
    package = ROOT / "src"
    wanted = [
        path.relative_to(package).as_posix()
        for path in (package / "undertow").rglob("*")
        if path.suffix in NEEDED or path.name == "py.typed"
    ]
    lost = [name for name in wanted if name not in names]
    for what, there in {
        "undertow/py.typed": "undertow/py.typed" in names,
        "a template in undertow/report/templates": any(
            name.startswith("undertow/report/templates/") for name in names
        ),
        "licenses/LICENSE": any(name.endswith(".dist-info/licenses/LICENSE") for name in names),
    }.items():
        if not there:
            lost.append(what)
    return sorted(set(lost))


def main() -> int:
    """Print what a wheel holds; 1 if something is missing or does not belong."""
    wheel = Path(sys.argv[1])
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    lost = missing(names)
    alien = [n for n in sorted(names) if not n.startswith(("undertow/", "undertow-"))]
    for word, found in (("misses", lost), ("should not hold", alien)):
        for name in found:
            sys.stderr.write(f"{wheel.name} {word} {name}\n")
    sys.stdout.write(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size // 1024} kB\n")
    return 1 if lost or alien else 0


if __name__ == "__main__":
    sys.exit(main())
