"""`undertow check`: exit codes, JSON alone on stdout, words for every wrong option."""

from pathlib import Path

import pytest

from tests.unit.cli.command import run
from undertow.report.report import Report

SMALL = ("--depth", "2", "--width", "16", "--init", "he", "--data", "synthetic:1x4x4:3")


def test_a_healthy_net_is_0_and_a_sick_one_1() -> None:
    good = run("check", "mlp", *SMALL)
    assert (good.code, good.err) == (0, "")
    assert "healthy" in good.out
    sick = run("check", "mlp", *SMALL, "--lr", "1e-7", "--no-counterfactuals")
    assert sick.code == 1
    assert "lr-low" in sick.out


def test_json_is_one_report_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    found = run("check", "mlp", *SMALL, "--json", "--html", str(page))
    report = Report.from_json(found.out)
    assert report.healthy
    assert report.to_json() == found.out.strip()
    assert dict(report.record.facts)["data"] == "synthetic:1x4x4:3"
    assert "<html" in page.read_text()
    assert str(page) in found.err


def test_a_module_from_a_file_is_checked(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))\n"
        "def number():\n    return 3\n"
    )
    where = ("--data", "synthetic:1x4x4:3", "--lr", "0.1", "--probe-steps", "30")
    assert run("check", f"{code}:build", *where).code == 0
    for name, said in (("number", "returns int, not an nn.Module"), ("no", "has no callable 'no'")):
        bad = run("check", f"{code}:{name}", *where)
        assert (bad.code, bad.out) == (2, "")
        assert said in bad.err
    refused = run("check", f"{code}:build", *where, "--act", "relu")
    assert "--act cannot be set on" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "mlpp", *SMALL), "model='mlpp' is unknown (did you mean mlp?)"),
        (("check", "mlp", *SMALL, "--act", "relux"), "act='relux' is unknown (did you mean relu"),
        (("check", "mlp", *SMALL, "--norm", "bach"), "did you mean batch?"),
        (("check", "mlp", *SMALL, "--init", "hee"), "init='hee' is unknown"),
        (("check", "mlp", *SMALL, "--loss", "mes"), "did you mean mse?"),
        (("check", "mlp", *SMALL, "--optimizer", "adm"), "did you mean adam?"),
        (("check", "mlp", *SMALL, "--lr", "0"), "--lr 0.0 does not train; give a number above 0"),
        (("check", "mlp", "--data", "digist"), "data='digist' cannot be read; give digits"),
        (("check", "mlp", "--data", "no.npz"), "no.npz does not exist"),
        (("check", "mlp"), "give --data"),
        (("check", "mlp", "--data", "digits", "--size", "8"), "exclude each other"),
        (("check", "mlp", "--size", "8x"), "--size 8x is no input size"),
        (("check", "mlp", *SMALL, "--dpeth", "3"), "--depth"),
        (("check", "mlp", *SMALL, "--depth", "three"), "--depth"),
        (("check", "conv", *SMALL, "--pool-at", "1,x"), "--pool-at 1,x is not a list of layers"),
        (("check", "conv", *SMALL, "--depth", "0"), "depth=0 does not build"),
        (("check", "vgg16", "--data", "synthetic:1x4x4:3", "--act", "relux"), "relux"),
        (("chekc",), "check"),
        (("check", "nowhere.py:build", "--data", "digits"), "nowhere.py does not exist"),
        (("check", "no_such_module:build", "--data", "digits"), "no_such_module cannot be loaded"),
    ],
)
def test_wrong_use_is_2_and_names_the_nearest(words: tuple[str, ...], said: str) -> None:
    found = run(*words)
    assert found.code == 2
    assert found.out == ""
    assert said in found.err
    assert "Traceback" not in found.err
