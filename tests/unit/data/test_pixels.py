"""Images by index: resized as Pillow does it, scaled, replaced where bad, kept where they fit."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from undertow.core.errors import UsageError
from undertow.data import files as files_module
from undertow.data.files import Files
from undertow.data.pixels import Memory, Pixels, Scale, centred

from .pictures import classes, colours, save


def listed(root: Path, labels: tuple[int, ...], **options: Any) -> Files:
    names = tuple(sorted(str(p.relative_to(root)) for p in root.rglob("*.*")))
    sizes = tuple((root / n).stat().st_size for n in names)
    return Files(root, names, sizes, labels, 3, **options)


@pytest.mark.parametrize(("height", "width"), [(300, 400), (500, 350), (256, 256), (1000, 1600)])
def test_evaluation_is_within_one_level_of_pillow(height: int, width: int) -> None:
    image = colours(height, width, 3)
    found = centred(torch.from_numpy(image).permute(2, 0, 1), (224, 224)).permute(1, 2, 0)
    scale = 256 / min(height, width)
    whole = Image.fromarray(image).resize(
        (round(width * scale), round(height * scale)), Image.Resampling.BILINEAR
    )
    left, top = (whole.width - 224 + 1) // 2, (whole.height - 224 + 1) // 2
    oracle = np.asarray(whole.crop((left, top, left + 224, top + 224))).astype(int)
    apart = np.abs(found.numpy().astype(int) - oracle)
    assert np.percentile(apart, 99) <= 1
    assert apart.mean() < 0.05


def test_an_image_of_the_size_is_left_alone() -> None:
    image = torch.arange(3 * 8 * 8, dtype=torch.uint8).view(3, 8, 8)
    assert centred(image, (8, 8)) is image
    assert tuple(centred(image, (4, 6)).shape) == (3, 4, 6)


def test_floats_are_scaled_by_the_statistics_of_all() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randint(256, (50, 3, 8, 8), generator=g, dtype=torch.uint8)
    held = Pixels(Memory(x), torch.arange(50), 3, (8, 8))
    assert torch.equal(held[:], x.float() / 255)
    assert tuple(held[3].shape) == (3, 8, 8)
    assert tuple(held[[]].shape) == (0, 3, 8, 8)
    scale = held.statistics()
    real = x.double() / 255
    assert scale.mean == pytest.approx(real.mean((0, 2, 3)).tolist())
    assert scale.std == pytest.approx(real.std((0, 2, 3), correction=0).tolist())
    scaled = Pixels(Memory(x), torch.arange(50), 3, (8, 8), scale)[:]
    assert torch.allclose(scaled.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    flat = Pixels(Memory(x * 0), torch.arange(2), 3, (8, 8)).statistics()
    assert flat == Scale((0, 0, 0), (1, 1, 1))


def test_a_bad_image_is_replaced_by_the_next_good_one_of_its_class(tmp_path: Path) -> None:
    classes(tmp_path, {"a": 60, "b": 60}, 8)
    (tmp_path / "a" / "010.png").write_bytes(b"x")
    files = listed(tmp_path, (0,) * 60 + (1,) * 60)
    held = Pixels(files, torch.arange(120), 3, (8, 8))
    assert torch.equal(held[10], held[11])
    assert not torch.equal(held[10], held[9])
    assert list(files.bad) == ["a/010.png"]
    part = held.take(torch.tensor([2, 10, 70, 80]))  # 11 is not in this part
    assert torch.equal(part[1], held[2])
    lost = held.take(torch.tensor([10, 70]))
    with pytest.raises(UsageError, match="no image of this class can be read"):
        lost[0]


def test_too_many_bad_images_stop_it_and_strict_stops_at_once(tmp_path: Path) -> None:
    classes(tmp_path, {"a": 30, "b": 30}, 8)
    for i in (3, 4, 5):
        (tmp_path / "a" / f"00{i}.png").write_bytes(b"x")
    files = listed(tmp_path, (0,) * 30 + (1,) * 30)
    held = Pixels(files, torch.arange(60), 3, (8, 8))
    with pytest.raises(UsageError, match="2 of 60 images cannot be read"):
        held[:]
    strict = Pixels(
        listed(tmp_path, (0,) * 30 + (1,) * 30, strict=True), torch.arange(60), 3, (8, 8)
    )
    with pytest.raises(UsageError, match=r"003\.png.*--strict"):
        strict[:]


def test_kept_images_are_read_once_and_do_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.jpg", 64, 64)
    files = listed(tmp_path, (0,), keep=True)
    held = Pixels(files, torch.arange(1), 3, (16, 16))
    first = held[0]
    assert len(pickle.dumps(held)) < 2000
    monkeypatch.setattr(files_module, "decode", None)  # a second read would fail
    assert torch.equal(held[0], first)
    cropped = held.train(0, 0, 0, ("resized-crop",))
    assert tuple(cropped.shape) == (3, 16, 16)


def test_digests_see_names_sizes_labels_and_picks(tmp_path: Path) -> None:
    classes(tmp_path, {"a": 2, "b": 2}, 8)
    one = Pixels(listed(tmp_path, (0, 0, 1, 1)), torch.arange(4), 3, (8, 8))
    other = Pixels(listed(tmp_path, (0, 1, 1, 1)), torch.arange(4), 3, (8, 8))
    assert one.digest() != other.digest()
    assert one.digest() != one.take(torch.tensor([0, 1])).digest()
    (tmp_path / "a" / "000.png").write_bytes(b"longer than it was" * 30)
    assert (
        Pixels(listed(tmp_path, (0, 0, 1, 1)), torch.arange(4), 3, (8, 8)).digest() != one.digest()
    )


@pytest.mark.parametrize("shape", [(3, 2, 60_000), (3, 60_000, 1), (1, 3, 9_001)])
def test_very_long_images_are_cut_before_they_are_resized(shape: tuple[int, ...]) -> None:
    image = torch.zeros(shape, dtype=torch.uint8)
    axis = shape.index(max(shape))
    image.narrow(axis, shape[axis] // 3, shape[axis] // 3).fill_(200)
    made = centred(image, (64, 48), 256 / 224)  # whole it would be gigabytes
    assert made.shape == (shape[0], 64, 48)
    assert int(made.min()) == 200
