"""The user's own settings: `[tool.undertow]` of the nearest pyproject.toml. No torch."""

import tomllib
from functools import lru_cache
from pathlib import Path

from undertow.core.errors import UsageError
from undertow.diagnosis.settings import PLAIN, Settings, settings_of

__all__ = ["settings"]

FILE = "pyproject.toml"


def settings(start: Path | None = None) -> Settings:
    """What the nearest pyproject.toml says, at `start` or above; nothing set where none does.

    Args:
        start: a folder; None is the one a program was started in.

    Raises:
        UsageError: a file that is no TOML, or holds an unknown id, limit or key.
    """
    folder = (start or Path.cwd()).resolve()
    path = next((p for d in (folder, *folder.parents) if (p := d / FILE).is_file()), None)
    if path is None:
        return PLAIN
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} cannot be read: {error}; mend it") from error


@lru_cache(maxsize=8)
def _read(path: Path, _: int) -> Settings:
    """Of a file as it was at a time: a training asks at every verdict."""
    held = tomllib.loads(path.read_text(encoding="utf-8"))
    table = held.get("tool", {}).get("undertow", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.undertow={table!r} is no table; give [tool.undertow]")
    return settings_of(table, FILE) if table else PLAIN
