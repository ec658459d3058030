"""What differs between a file and a net is handled and told, or refused with a hint."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.models import build, build_plan, checkpoints, load_weights, loading, plan_of, weights
from undertow.models.checkpoints import about, save
from undertow.models.weights import Preprocessing, Weights, tagged

NET = "cifar_resnet20"


def state(name: str = NET, **given: Any) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in build(name, seed=1, **given).state_dict().items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of a net of another seed."""
    torch.save(state(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Weights]:
    """Put a state where a published file of a card is downloaded from."""

    def put(held: dict[str, Tensor], like: Weights) -> Weights:
        torch.save(held, tmp_path / "raw.pth")
        raw = (tmp_path / "raw.pth").read_bytes()
        entry = replace(
            like,
            file=f"{like.model}-{hashlib.sha256(raw).hexdigest()[:8]}.pth",
            address=f"{tmp_path.as_uri()}/",
        )
        (tmp_path / entry.file).write_bytes(raw)
        for module in (weights, loading):
            monkeypatch.setattr(module, "WEIGHTS", (entry,))
        monkeypatch.setattr(loading, "cache_folder", lambda: tmp_path / "cache")
        return entry

    return put


def loaded(name: str, source: Path | str, **given: Any) -> tuple[Any, loading.Loaded]:
    plan = plan_of(name, seed=9, **given)
    net = build_plan(plan)
    return net, load_weights(net, plan, source)


def test_everything_is_loaded_and_nothing_said(file: Path) -> None:
    net, said = loaded(NET, file)
    assert all(torch.equal(v, state()[k]) for k, v in net.state_dict().items())
    assert (said.new, said.notes, said.warnings, said.preprocessing) == ((), (), (), None)


def test_another_class_count_keeps_the_new_head_and_says_so(file: Path) -> None:
    net, said = loaded(NET, file, classes=3)
    assert said.new == ("linear",)
    assert said.notes == ("linear is drawn anew: 3 classes where the file has 10",)
    fresh = build(NET, classes=3, seed=9).state_dict()
    assert torch.equal(net.linear.weight, fresh["linear.weight"])
    assert torch.equal(net.layer3[2].conv2.weight, state()["layer3.2.conv2.weight"])


def test_without_classes_a_head_of_another_size_is_refused(tmp_path: Path) -> None:
    torch.save(state(classes=7), tmp_path / "seven.pth")
    with pytest.raises(UsageError, match=r"mis-shaped: linear\.weight .*cifar_resnet20 with class"):
        loaded(NET, tmp_path / "seven.pth")


def test_no_classes_give_the_features(file: Path) -> None:
    net, said = loaded(NET, file, classes=0)
    assert net.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 64)
    assert said.notes == ("linear of the file is left out: the net gives features",)


def test_grey_images_sum_the_colours(file: Path) -> None:
    net, said = loaded(NET, file, in_channels=1)
    whole, _ = loaded(NET, file)
    grey = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        far = net.eval()(grey) - whole.eval()(grey.expand(2, 3, 32, 32))
    assert float(far.abs().max()) < 1e-4
    assert said.notes == ("conv1 is summed over colours: the file has 3 channels",)


def test_a_grey_file_answers_a_grey_picture_in_colour_alike(tmp_path: Path) -> None:
    plan = plan_of("conv", in_channels=1, depth=2, width=4)
    grey = build_plan(plan).eval()
    path = save(grey, tmp_path / "grey.safetensors")
    net, said = loaded("conv", path, in_channels=3, depth=2, width=4)
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(net.eval()(x.repeat(1, 3, 1, 1)), grey(x), atol=1e-6)
    assert "repeated over 3 channels and scaled: the file has 1 channel" in said.notes[0]


def test_more_channels_repeat_the_colours(file: Path) -> None:
    net, said = loaded(NET, file, in_channels=4)
    one = state()["conv1.weight"]
    assert torch.allclose(net.conv1.weight, one[:, [0, 1, 2, 0]] * 0.75)
    assert said.notes == ("conv1 is repeated over 4 channels and scaled: the file has 3 channels",)


def test_slopes_of_prelu_stay_at_their_start(file: Path) -> None:
    net, said = loaded(NET, file, act="prelu")
    assert "layer1.0.act1" in said.new
    assert net.act.weight.eq(0.25).all()
    assert torch.equal(net.conv1.weight, state()["conv1.weight"])


def test_another_norm_or_skip_is_refused_with_the_net_that_fits(file: Path) -> None:
    for given in ({"norm": "group"}, {"norm": "none"}, {"skip": "projection"}):
        with pytest.raises(UsageError, match=r"The file fits cifar_resnet20 or cifar_plain20\."):
            loaded(NET, file, **given)


def test_the_wrong_file_names_the_right_model(file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        loaded("cifar_resnet32", file)
    message = str(caught.value)
    assert "missing: layer1.3.conv1.weight, layer1.3.bn1.weight" in message
    assert "The file fits cifar_resnet20" in message


def test_what_fits_nothing_is_refused_without_a_hint(tmp_path: Path) -> None:
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UsageError, match=r"unexpected: other\. Choose") as caught:
        loaded(NET, tmp_path / "other.pth")
    assert "fits" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_truncated_file_is_refused(tmp_path: Path, legacy: bool) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(state(), whole, _use_new_zipfile_serialization=not legacy)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-1000])
    with pytest.raises(UsageError, match="cannot be read safely"):
        loaded(NET, tmp_path / "cut.pth")


def test_half_precision_is_converted_and_whole_numbers_are_not(tmp_path: Path) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in state().items()}
    torch.save(half, tmp_path / "half.pth")
    net, said = loaded(NET, tmp_path / "half.pth")
    assert said.notes == ("converted from torch.float16",)
    assert net.conv1.weight.dtype == torch.float32
    torch.save(state() | {"linear.bias": torch.zeros(10, dtype=torch.int64)}, tmp_path / "int.pth")
    with pytest.raises(UsageError, match=r"linear\.bias is torch\.int64"):
        loaded(NET, tmp_path / "int.pth")


def test_an_unknown_tag_names_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"no published tag of resnet50; choose imagenet, imagenet-v2"
    ):
        load_weights(nn.Identity(), plan_of("resnet50"), "imagenet-v3")


def test_a_tag_is_downloaded_and_its_preprocessing_told(publish: Callable[..., Weights]) -> None:
    like = tagged(NET, "cifar10")
    entry = publish(state(), like)
    net, said = loaded(NET, "cifar10")
    assert said.file.name == entry.file
    assert said.preprocessing == Preprocessing(crop=32, resize=None)
    assert said.notes == entry.notes
    assert torch.equal(net.conv1.weight, state()["conv1.weight"])
    assert loaded(NET, "cifar10", act="tanh")[1].warnings == (
        "act='tanh' is not the file's 'relu': its published accuracy no longer applies",
    )
    with pytest.warns(UserWarning, match="skip='none' is not"):
        build(NET, weights="cifar10", skip="none")


def test_a_damaged_or_misnamed_file_is_refused(
    publish: Callable[..., Weights], tmp_path: Path
) -> None:
    entry = publish(state(), tagged(NET, "cifar10"))
    whole = (tmp_path / entry.file).read_bytes()
    (tmp_path / entry.file).write_bytes(whole[:-100])
    with pytest.raises(UsageError, match=r"damaged .* SHA-256"):
        loaded(NET, tmp_path / entry.file)
    with pytest.raises(UsageError, match=r"damaged .* SHA-256"):
        loaded(NET, "cifar10")
    (tmp_path / "net-20250101.pth").write_bytes(whole)  # a date is no digest
    assert loaded(NET, tmp_path / "net-20250101.pth")[1].warnings == ()


def test_googlenet_leaves_out_heads_that_nobody_trained(
    publish: Callable[..., Weights], tmp_path: Path
) -> None:
    entry = publish(state("googlenet", aux=2, init="normal:0.01"), tagged("googlenet", "imagenet"))
    net, said = loaded("googlenet", "imagenet", init="normal:1")
    assert net.transform_input
    assert len(said.notes) == 2
    assert said.warnings == ()
    net, said = loaded("googlenet", "imagenet", aux=True, classes=5, init="normal:1")
    assert said.new == ("fc", "aux1.fc2", "aux2.fc2")
    assert "never trained" in said.warnings[0]
    (tmp_path / entry.file).rename(tmp_path / "renamed.pth")
    net, _ = loaded("googlenet", tmp_path / "renamed.pth", init="normal:1", aux=1)
    assert net.transform_input  # known by its content


def test_transform_input_is_kept_in_our_own_files(tmp_path: Path) -> None:
    net: Any = build("googlenet", init="normal:0.01", seed=1)
    assert not net.transform_input
    net.transform_input = True
    plain = {"crop": 224, "resize": 256, "mean": [0.5] * 3, "std": [0.5] * 3}
    path = save(net, tmp_path / "mine.safetensors", {"preprocessing": plain})
    assert about(path)["transform_input"] is True
    again, said = loaded("googlenet", path, init="normal:1")
    assert again.transform_input
    assert said.preprocessing is not None
    assert said.preprocessing.std == (0.5, 0.5, 0.5)
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in again.state_dict().items())


def test_saving_needs_the_right_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"as \.safetensors only"):
        save(nn.Linear(1, 1), tmp_path / "net.pth")
    assert checkpoints.about(tmp_path / "net.pth") == {}


def test_a_caffe_file_is_pointed_to_the_papers_form(tmp_path: Path) -> None:
    held = state("resnet50", init="normal:0.01")
    torch.save(held, tmp_path / "resnet50_caffe.pth")
    _, said = loaded("resnet50", tmp_path / "resnet50_caffe.pth", init="normal:1")
    assert re.search('variant="paper"', said.warnings[0])
    assert not loaded(
        "resnet50", tmp_path / "resnet50_caffe.pth", variant="paper", init="normal:1"
    )[1].warnings


def test_a_run_gives_its_best_weights(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    save(build(NET, seed=1), tmp_path / "checkpoints" / "best.safetensors")
    net, _ = loaded(NET, tmp_path)
    assert torch.equal(net.conv1.weight, state()["conv1.weight"])
    with pytest.raises(UsageError, match="is not there"):
        loaded(NET, tmp_path / "checkpoints")


def test_weights_that_are_not_finite_are_told(tmp_path: Path) -> None:
    torch.save(state() | {"linear.bias": torch.full((10,), torch.nan)}, tmp_path / "nan.pth")
    assert loaded(NET, tmp_path / "nan.pth")[1].warnings == (
        "the file's linear.bias is not finite",
    )
