"""The set-up script: when it stops at once, what it installs again, what it says."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def setup_script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("undertow_setup", root / "tools" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamp(extras: list[str], index: str = "") -> dict[str, object]:
    return {"hash": "h", "extras": extras, "torch_index": index}


@pytest.mark.parametrize(
    ("have", "wanted", "ready"),
    [
        (["dev", "plot"], {"dev"}, True),
        (["dev", "plot"], set(), True),
        ([], set(), True),
        (["plot"], {"dev", "plot"}, False),
        ([], {"web"}, False),
    ],
)
def test_a_superset_is_ready(
    setup_script: ModuleType, have: list[str], wanted: set[str], ready: bool
) -> None:
    assert setup_script.is_ready(stamp(have), "h", wanted, "") is ready


def test_other_files_or_another_torch_are_not_ready(setup_script: ModuleType) -> None:
    assert not setup_script.is_ready(stamp(["dev"]), "changed", {"dev"}, "")
    assert not setup_script.is_ready({}, "h", set(), "")
    assert not setup_script.is_ready(stamp([]), "h", set(), "https://index.example")
    kept = stamp([], "https://index.example")
    assert setup_script.is_ready(kept, "h", set(), "https://index.example")
    assert setup_script.is_ready(kept, "h", set(), "")


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"extras": 3}'])
def test_a_bad_stamp_counts_as_none(
    setup_script: ModuleType, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / setup_script.STAMP).write_text(text)
    read = setup_script.read_stamp(tmp_path)
    assert setup_script.stamped_extras(read) == set()
    assert not setup_script.is_ready(read, "h", set(), "")


def test_the_fingerprint_follows_each_file(setup_script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    for name in setup_script.HASHED:
        (tmp_path / name).write_text("a")
    seen = {setup_script.fingerprint(tmp_path)}
    for name in setup_script.HASHED:
        (tmp_path / name).write_text("b")
        seen.add(setup_script.fingerprint(tmp_path))
    assert len(seen) == 1 + len(setup_script.HASHED)


def test_extras_are_looked_up(setup_script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert setup_script.parse_extras("dev, plot web", {"dev", "plot", "web"}) == {
        "dev",
        "plot",
        "web",
    }
    with pytest.raises(SystemExit) as ended:
        setup_script.parse_extras("pilot", {"dev", "plot"})
    assert ended.value.code == 2
    assert "'pilot' is unknown; choose from dev, plot" in capsys.readouterr().err


def package(site: Path, name: str, record: str | None, text: str = "x = 1\n") -> Path:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: x\n")
    (site / f"{name}.py").write_text(text)
    if record is not None:
        (info / "RECORD").write_text(record)
    return info


def test_half_written_packages_are_found(setup_script: ModuleType, tmp_path: Path) -> None:
    package(tmp_path, "whole", "whole.py,sha256=0,6\nwhole-1.0.dist-info/RECORD,,\n")
    bad = [
        package(tmp_path, "cut", "cut.py,sha256=0,60\n"),
        package(tmp_path, "lost", "lost.py,sha256=0,6\nlost_data.bin,sha256=0,9\n"),
        package(tmp_path, "unlisted", None),
    ]
    package(tmp_path, "zcompiled", "zcompiled.py,,6\n__pycache__/zcompiled.pyc,,\n")
    assert setup_script.broken_installs(tmp_path) == bad
    setup_script.repair(tmp_path)
    assert setup_script.broken_installs(tmp_path) == []
    assert (tmp_path / "whole-1.0.dist-info").is_dir()


def test_uv_learns_the_find_links_of_pip(setup_script: ModuleType) -> None:
    told = setup_script.surroundings({"PIP_FIND_LINKS": "a b", "PIP_USER": "1"})
    assert told == {"PIP_FIND_LINKS": "a b", "UV_FIND_LINKS": "a,b"}
    own = {"PIP_FIND_LINKS": "a", "UV_FIND_LINKS": "c"}
    assert setup_script.surroundings(own) == own
    assert setup_script.surroundings({"PIP_FIND_LINKS": "", "UV_FIND_LINKS": ""}) == {}


@pytest.mark.parametrize(
    ("output", "word"),
    [
        ("OSError: [Errno 28] No space left on device", "disk"),
        ("NewConnectionError: x\nNo matching distribution found for torch==2.13.0", "network"),
        ("ERROR: No matching distribution found for torch==2.13.0", "TORCH_INDEX"),
        ("something else", "above"),
    ],
)
def test_advice_fits_the_failure(setup_script: ModuleType, output: str, word: str) -> None:
    assert word in setup_script.advice(output)


def test_the_pin_is_that_of_the_constraints(setup_script: ModuleType, root: Path) -> None:
    assert setup_script.torch_pin(root / "constraints.txt") == "torch==2.13.0"


def test_a_ready_environment_is_left_alone(
    setup_script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    python = setup_script.python_of(tmp_path)
    python.parent.mkdir(parents=True)
    python.touch()
    digest = setup_script.fingerprint(setup_script.ROOT)
    ready = {"hash": digest, "extras": ["dev", "plot"], "line": "as before"}
    (tmp_path / setup_script.STAMP).write_text(json.dumps(ready))
    monkeypatch.chdir(setup_script.ROOT)
    monkeypatch.setattr(setup_script, "install", lambda command: pytest.fail(str(command)))
    monkeypatch.setattr("sys.argv", ["setup.py", "--extras", "plot", "--venv", str(tmp_path)])
    setup_script.main()
    assert capsys.readouterr().out == "set-up: nothing to do (as before)\n"
