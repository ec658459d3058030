"""The user's own settings: `[tool.undertow]` of the nearest pyproject.toml. No torch."""

import tomllib
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
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}; mend it") from error
    table = held.get("tool", {}).get("undertow", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.undertow={table!r} is no table; give [tool.undertow]")
    return settings_of(table, FILE) if table else PLAIN
