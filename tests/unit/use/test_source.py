"""A trained net is opened from its checkpoint alone; what is not said is asked, never guessed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import undertow as ut
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.core.plan import Plan
from undertow.models import checkpoints
from undertow.use.source import Asked, of_card, opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "r"
    sizes = {"depth": 3, "width": 8}
    ut.train("conv", "synthetic:3x8x8:4", run=folder, steps=3, batch=32, **sizes)
    return folder


def test_a_run_says_all(run: Path) -> None:
    found = opened(run)
    assert not found.net.training
    assert found.inputs is not None
    assert found.inputs.shape == (3, 8, 8)
    assert found.inputs.mean is not None
    assert (found.loss, found.names, found.name) == ("cross-entropy", (), str(run))
    by_file = opened(run / "checkpoints" / "best.safetensors")
    assert by_file.inputs == found.inputs
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(found.net(x), by_file.net(x))


def test_the_input_transform_of_old_files_is_in_a_run(tmp_path: Path) -> None:
    from undertow.train.checkpoint import save

    plan = Plan("googlenet", classes=3, in_channels=3)
    net = ut.build("googlenet", classes=3, aux=0)
    net.transform_input = True
    save(tmp_path, "best", net, plan, 1, None)
    assert opened(tmp_path).net.transform_input is True


def test_a_file_that_names_no_net_is_refused_with_what_it_fits(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file(ut.build("cifar_resnet20").state_dict(), file)
    with pytest.raises(UsageError, match="it fits cifar_resnet20"):
        opened(file)
    found = opened("cifar_resnet20", Asked(weights=file))
    with pytest.raises(UsageError, match="--preprocessing"):
        found.ready()


def test_a_saved_file_keeps_what_is_said_beside_it(tmp_path: Path) -> None:
    inputs = Inputs((3, 32, 32), 1.0, (0.0, 1.0), (0.5,) * 3, (0.2,) * 3)
    told = {"plan": {"model": "cifar_resnet20"}, "preprocessing": inputs.told(), "classes": ["a"]}
    file = checkpoints.save(ut.build("cifar_resnet20"), tmp_path / "w.safetensors", told)
    found = opened(file)
    assert (found.inputs, found.label(0), found.label(1)) == (inputs, "a", "1")


def test_code_runs_only_where_it_is_asked_for(tmp_path: Path) -> None:
    told = {"plan": {"model": "net.py:build"}}
    net = nn.Linear(2, 2)
    file = checkpoints.save(net, tmp_path / "w.safetensors", told)
    with pytest.raises(UsageError, match=r"--model net\.py:build"):
        opened(file)
    asked = Asked(plan=Plan("net.py:build"), build=lambda *_: nn.Linear(2, 2))
    assert torch.equal(opened(file, asked).net.weight, net.weight)


@pytest.mark.parametrize(
    ("what", "said"),
    [("nowhere", "no run folder"), ("resnet50", "imagenet-v2"), ("a.py:b", "--weights")],
)
def test_what_cannot_be_opened_says_what_can(what: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opened(what)


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folder of a training"):
        opened(tmp_path)


def test_inputs_of_a_card() -> None:
    assert of_card("resnet50:imagenet-v2").border == 232 / 224
    assert of_card("inception_v3").shape == (3, 299, 299)
    with pytest.raises(UsageError, match="no published weights"):
        of_card("mlp")
