"""Files come whole and verified, or not at all; no network is used here."""

import hashlib
from pathlib import Path
from urllib.request import urlopen

import pytest

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.models import download
from undertow.models.download import fetch, verify

BYTES = bytes(range(256)) * 5000  # 1.28 MB: more than one chunk
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Address of a file that holds BYTES."""
    home = tmp_path / "there"
    home.mkdir()
    (home / "net-0.pth").write_bytes(BYTES)
    return (home / "net-0.pth").as_uri()


def test_a_file_is_downloaded_verified_and_told(url: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch(url, DIGEST[:8], tmp_path / "cache" / "weights", lambda *n: seen.append(n))
    assert path == tmp_path / "cache" / "weights" / "net-0.pth"
    assert path.read_bytes() == BYTES
    assert seen == [(1 << 20, len(BYTES)), (len(BYTES), len(BYTES))]
    assert [p.name for p in path.parent.iterdir()] == ["net-0.pth"]


def test_what_is_there_is_verified_and_not_downloaded_again(url: str, tmp_path: Path) -> None:
    (tmp_path / "net-0.pth").write_bytes(BYTES)
    assert fetch(f"{url[:-9]}lost/net-0.pth", DIGEST[:8], tmp_path).read_bytes() == BYTES
    (tmp_path / "net-0.pth").write_bytes(BYTES[:-1])
    with pytest.raises(UsageError, match=r"net-0\.pth is damaged .* delete it"):
        fetch(url, DIGEST[:8], tmp_path)


def test_other_bytes_are_refused_and_nothing_is_kept(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"starts with {DIGEST[:8]}, not 00000000"):
        fetch(url, "00000000", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_no_network_says_what_to_do(tmp_path: Path) -> None:
    gone = (tmp_path / "gone.pth").as_uri()
    with pytest.raises(EnvironmentFaultError, match=r"could not be downloaded .* weights=FILE"):
        fetch(gone, "00000000", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_an_answer_that_stops_half_way_is_a_failure(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(address: str, timeout: float) -> object:
        answer = urlopen(address, timeout=timeout)
        answer.headers.replace_header("Content-Length", str(len(BYTES) + 1))
        return answer

    monkeypatch.setattr(download, "urlopen", cut)
    with pytest.raises(EnvironmentFaultError, match="stopped after"):
        fetch(url, DIGEST[:8], tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_verify_takes_any_length_of_digest(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(BYTES)
    verify(file, DIGEST)
    verify(file, DIGEST[:8])
