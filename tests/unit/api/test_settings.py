"""The nearest pyproject.toml is read, and what it silences shows in every report."""

from pathlib import Path

import pytest
import torch
from torch import nn

from undertow.api.check import check
from undertow.api.settings import settings
from undertow.api.watch import watch
from undertow.core.errors import UsageError
from undertow.diagnosis.settings import PLAIN


def write(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    write(tmp_path, '[tool.undertow]\nignore = ["UT104:head"]\nlimits = { dead-share = 0.95 }\n')
    found = settings(inner)
    assert [(i.id, i.where) for i in found.ignore] == [("UT104", "head")]
    assert found.limits == (("dead-share", 0.95),)
    write(tmp_path / "a", "[tool.other]\n")
    assert settings(inner) == PLAIN


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool", "cannot be read"),
        ("tool.undertow = 1", "no table"),
        ("[tool.undertow]\nx = 1", "x"),
    ],
)
def test_a_file_that_cannot_be_is_told(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        settings(write(tmp_path, text))


def test_reports_obey_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(1))
    data = torch.randn(8, 4), torch.arange(8) % 2
    assert "head-mismatch" in [s.name for s in check(net, data, probe_steps=0).symptoms]
    write(tmp_path, '[tool.undertow]\nignore = ["head-mismatch"]\n')
    report = check(net, data, probe_steps=0)
    assert report.healthy
    assert "silenced by pyproject.toml: UT201" in report.to_text()
    write(tmp_path, '[tool.undertow]\nignore = ["UT9"]\n')
    with pytest.raises(UsageError, match="UT9"):
        watch(net)
