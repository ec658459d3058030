"""Weights are read safely and every key and shape is compared."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from undertow.core.errors import UsageError
from undertow.models import build
from undertow.models.checkpoints import load, read


def net(classes: int = 10, seed: int = 1) -> nn.Module:
    return build("conv", depth=2, width=4, norm="batch", classes=classes, seed=seed)


def state(seed: int = 1) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in net(seed=seed).state_dict().items()}


def same(one: nn.Module, two: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_round_trip_keeps_every_bit(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save(state(), file)
    else:
        save_file(state(), file)
    loaded = build("conv", depth=2, width=4, norm="batch", seed=9, weights=str(file))
    assert same(loaded, net())


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_and_prefixes_are_removed(tmp_path: Path, wrapper: str, prefix: str) -> None:
    file = tmp_path / "net.th"
    wrapped = {prefix + k: v for k, v in state().items()}
    torch.save({wrapper: wrapped, "epoch": 3}, file, _use_new_zipfile_serialization=False)
    other = net(seed=5)
    load(other, read(file))
    assert same(other, net())


def test_old_files_lack_the_batch_counter() -> None:
    held = {k: v for k, v in state().items() if not k.endswith("num_batches_tracked")}
    other = net(seed=5)
    load(other, held)
    assert same(other, net())


def test_mismatches_are_listed_five_of_a_kind() -> None:
    held = {f"extra{i}": torch.zeros(1) for i in range(7)} | state()
    del held["head.bias"]
    held["head.weight"] = torch.zeros(3, 4)
    with pytest.raises(UsageError) as caught:
        load(net(), held)
    message = str(caught.value)
    assert "missing: head.bias;" in message
    assert "unexpected: extra0, extra1, extra2, extra3, extra4 and 2 more;" in message
    assert "mis-shaped: head.weight (3, 4) for (10, 4)." in message


def test_a_head_of_another_size_stays_new_where_classes_are_given(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save(state(), file)
    loaded = build("conv", depth=2, width=4, norm="batch", classes=3, seed=2, weights=str(file))
    fresh = net(classes=3, seed=2)
    assert torch.equal(loaded.get_parameter("head.weight"), fresh.get_parameter("head.weight"))
    assert torch.equal(
        loaded.get_parameter("layers.1.conv.weight"), state()["layers.1.conv.weight"]
    )


class Harm:
    """Prints when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.pth"
    file.write_bytes(pickle.dumps({"state_dict": Harm()}))
    with pytest.raises(UsageError, match="cannot be read safely"):
        read(file)
    assert capsys.readouterr().out == ""


def test_what_is_no_weight_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'imagenet' is no weight file; give a \.safetensors"):
        build("conv", weights="imagenet")
    with pytest.raises(UsageError, match="is not there"):
        read(tmp_path / "lost.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x08")
    with pytest.raises(UsageError, match="cannot be read safely"):
        read(tmp_path / "cut.safetensors")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="holds no table of tensors"):
        read(tmp_path / "list.pth")
