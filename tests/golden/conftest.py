"""`pytest tests/golden --update-golden` rewrites the golden files; look at the difference."""

from collections.abc import Callable
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "files"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden/files from what is made"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text byte for byte with the golden file of a name, or rewrite that file."""
    update = request.config.getoption("--update-golden", default=False)

    def compare(name: str, text: str) -> None:
        path, made = FILES / name, text.encode("utf-8")
        if update:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(made)
        assert path.is_file(), f"{path} is missing: run pytest tests/golden --update-golden"
        assert made == path.read_bytes(), f"{name} differs: look, then --update-golden"

    return compare
