"""A published file into a cache folder: hashed as it comes, complete or not there at all."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from undertow.core.errors import EnvironmentFaultError, UsageError

CHUNK = 1 << 20  # bytes read at once
PATIENCE = 30.0  # seconds without an answer
Progress = Callable[[int, int], None]  # bytes so far, bytes in all (0: not said)


def cache_folder() -> Path:
    """Where downloaded files are kept: `.cache/undertow/weights` in the home folder."""
    return Path.home() / ".cache" / "undertow" / "weights"


def fetch(url: str, digest: str, folder: Path, progress: Progress | None = None) -> Path:
    """The file of an address in `folder`, downloaded where it is not there yet, its hash checked.

    Args:
        url: where it lies.
        digest: the start of its SHA-256, in hex.
        folder: made where it is missing.
        progress: called with the bytes so far and in all.

    Raises:
        UsageError: the bytes have another hash; nothing is kept.
        EnvironmentFaultError: no network, no room, or an answer that stopped half-way.
    """
    final = folder / url.rpartition("/")[2]
    if final.is_file():
        verify(final, digest)
        return final
    part: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".part", dir=folder)
        part = Path(name)
        with os.fdopen(handle, "wb") as out, urlopen(url, timeout=PATIENCE) as answer:
            _copy(answer, out, int(answer.headers.get("Content-Length") or 0), progress)
            out.flush()
            os.fsync(out.fileno())
        verify(part, digest, url)
        part.replace(final)
    except (OSError, HTTPException) as error:
        raise EnvironmentFaultError(
            f"{url} could not be downloaded ({error}); get it another way and give weights=FILE"
        ) from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    return final


def verify(path: Path, digest: str, name: str | None = None) -> None:
    """Nothing, where the file's SHA-256 starts with `digest`.

    Raises:
        UsageError: it does not; the file is damaged or another one.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digest):
        raise UsageError(
            f"{name or path} is damaged or not the file its name says: its SHA-256 starts with"
            f" {found[: len(digest)]}, not {digest}; delete it and download it again"
        )


def _copy(source: IO[bytes], out: IO[bytes], total: int, progress: Progress | None) -> None:
    done = 0
    while chunk := source.read(CHUNK):
        out.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, total)
    if total and done != total:
        raise ConnectionError(f"stopped after {done:,} of {total:,} bytes")
