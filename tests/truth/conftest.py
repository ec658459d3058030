"""The parity files as a fixture and as parameters."""

from pathlib import Path

import pytest

from tests.conftest import data_folder

from .parity import QUICK


@pytest.fixture(scope="session")
def parity(test_data: Path) -> Path:
    """The folder of parity files."""
    return test_data / "parity"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case for each file present: `listed` in models, `golden` in golden."""
    for fixture, kind in (("listed", "models"), ("golden", "golden")):
        if fixture in metafunc.fixturenames:
            names = sorted(path.stem for path in (data_folder() / "parity" / kind).glob("*.json"))
            slow = [] if kind == "models" else [name for name in names if name not in QUICK]
            cases = [
                pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in names
            ]
            metafunc.parametrize(fixture, cases)
