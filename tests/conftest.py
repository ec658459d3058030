"""What all tests share: one torch thread, fixed hypothesis, the data folder, slow tests named."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch loads; also by subprocesses
os.environ.setdefault("MKL_NUM_THREADS", "1")

settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.load_profile("ci")

LONG = 20.0  # seconds; above this a test must be marked slow


def data_folder() -> Path:
    """Where the data folder should be: named by UNDERTOW_TEST_DATA, else beside the checkout."""
    named = os.environ.get("UNDERTOW_TEST_DATA")
    return Path(named) if named else Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of parity files and the JPEG copy of CIFAR-10; skips where there is none.

    Named by UNDERTOW_TEST_DATA, else beside the checkout. A name that leads nowhere fails.
    """
    named, folder = os.environ.get("UNDERTOW_TEST_DATA"), data_folder()
    if folder.is_dir():
        return folder
    if named:
        pytest.fail(f"UNDERTOW_TEST_DATA={named} is no folder; unset it to skip these tests")
    pytest.skip("no test data: UNDERTOW_TEST_DATA is unset and none stands beside the checkout")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line on the slow tests, and one on each that should be marked slow."""
    seconds: dict[str, float] = {}
    marked: set[str] = set()
    for outcome in ("passed", "failed", "xfailed"):
        for report in terminalreporter.stats.get(outcome, []):
            seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
            if "slow" in report.keywords:
                marked.add(report.nodeid)
    if marked:
        total = sum(seconds[name] for name in marked)
        terminalreporter.write_line(f"slow: {len(marked)} tests, {total:.0f} s")
    for name in sorted(seconds, key=lambda name: -seconds[name]):
        if seconds[name] > LONG and name not in marked:
            terminalreporter.write_line(f"not marked slow, but {seconds[name]:.0f} s: {name}")
