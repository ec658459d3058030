"""The public verbs: check, diagnose, explain, build, train and repair's data."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn, optim

import undertow as ut
from undertow.api.repair import as_arrays
from undertow.core.errors import UsageError

X = torch.randn(32, 1, 4, 4, generator=torch.Generator().manual_seed(0))
Y = (X.mean((1, 2, 3)) > 0).long()
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(ut.__file__).parents[1])}


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, undertow; print({'torch', 'numpy', 'rich', 'typer'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_public_names_are_there_and_no_others() -> None:
    assert set(dir(ut)) == set(ut.__all__)
    assert [name for name in ut.__all__ if not callable(getattr(ut, name))] == []
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = ut.chekc


def test_no_folder_hides_the_verb_of_its_name() -> None:
    code = (
        "import undertow.train.loop, undertow.models.card, undertow as ut\n"
        "from undertow.models import build_plan\n"
        "print(callable(ut.train), callable(ut.models), len(ut.models('vgg16')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True", "1"]


def test_a_net_is_built_from_words() -> None:
    net: Any = ut.build("mlp", depth=2, width=8, classes=3, in_channels=16, act="elu", seed=1)
    again: Any = ut.build("mlp", depth=2, width=8, classes=3, in_channels=16, act="elu", seed=1)
    assert net(X).shape == (32, 3)
    assert torch.equal(net.head.weight, again.head.weight)
    with pytest.raises(UsageError, match="did you mean vgg16"):
        ut.build("vgg_16")
    assert [c.name for c in ut.models("vgg16")] == ["vgg16"]


def test_a_check_reports_what_it_was_given() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    make = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    report = ut.check(net, (X, Y), optimizer=make, seed=3, clip_norm=2.0)
    assert report.healthy
    assert (report.source, report.record.optimizer.clip_norm) == ("Sequential", 2.0)
    facts = dict(report.record.facts)
    assert (facts["batch"], facts["seed"]) == ("32", "3")
    assert [y.path for y in report.layers] == ["1", "3"]
    assert ut.Report.from_json(report.to_json()) == report


def test_without_counterfactuals_causes_are_at_most_suspected() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    nn.init.constant_(net[1].bias, -30.0)  # type: ignore[arg-type]
    report = ut.check(net, (X, Y), counterfactuals=False)
    assert report.record.experiments == ()
    assert report.mechanism == "dead"
    assert {c.standing for c in report.causes} == {"suspected"}


def test_an_explanation_has_its_limit_and_source() -> None:
    text = ut.explain("dead-units")
    assert text == ut.explain("ut104")
    with pytest.raises(UsageError, match="did you mean dead-units"):
        ut.explain("dead-unit")


def test_a_training_is_a_run_that_can_be_diagnosed(tmp_path: Path) -> None:
    run = ut.train(
        "mlp", (X, Y), epochs=4, run=tmp_path / "r", depth=2, width=8, batch=8, init="he"
    )
    assert run.folder == tmp_path / "r"
    assert run.evaluations[-1].samples == 6
    report = ut.diagnose(run.folder)
    assert len(report.record.metrics) == len(run.metrics)
    assert report.diagnosis.watching == (len(run.metrics) < 100)
    with pytest.raises(UsageError, match="'dept'"):
        ut.train("mlp", (X, Y), run=tmp_path / "s", dept=2)


def test_batches_are_read_into_one_data_set() -> None:
    joined = as_arrays("data", [(X[:10], Y[:10]), (X[10:], Y[10:])])
    assert torch.equal(joined.x, X)
    assert (joined.classes, joined.standardise) == (2, False)
    assert as_arrays("data", (X, X)).classes == 0
    for bad in (3, [], [X], {"x": X}, [(X, 3)]):
        with pytest.raises(UsageError, match="data must be"):
            as_arrays("data", bad)
