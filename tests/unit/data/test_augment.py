"""Augmentations are functions of (seed, epoch, index) with the distributions they are named by."""

import pytest
import torch

from undertow.core.errors import UsageError
from undertow.data.augment import ERASED, VALUES, VECTORS, augmented, generator, resized, words

G = torch.Generator().manual_seed(0)
IMAGE = torch.randint(256, (3, 40, 50), generator=G, dtype=torch.uint8)


@pytest.mark.parametrize("word", ["resized-crop", "shift", "flip", "jitter", "pca", "erase"])
def test_the_same_key_gives_the_same_image_and_another_another(word: str) -> None:
    size = (20, 20) if word == "resized-crop" else (40, 50)

    def made(*key: int) -> torch.Tensor:
        return augmented(IMAGE, size, (word,), generator(*key))

    one = [made(0, e, i) for e in range(4) for i in range(4)]
    two = [made(0, e, i) for e in range(4) for i in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert all(tuple(a.shape[1:]) == size and a.dtype == torch.uint8 for a in one)
    assert len({a.numpy().tobytes() for a in one}) > (1 if word == "flip" else 3)


def test_flips_and_holes_come_as_often_as_they_should() -> None:
    keys = [generator(1, 0, i) for i in range(2000)]
    flipped = sum(not torch.equal(augmented(IMAGE, (40, 50), ("flip",), g), IMAGE) for g in keys)
    assert flipped / 2000 == pytest.approx(0.5, abs=0.04)
    keys = [generator(2, 0, i) for i in range(1000)]
    holes = sum(not torch.equal(augmented(IMAGE, (40, 50), ("erase",), g), IMAGE) for g in keys)
    assert holes / 1000 == pytest.approx(ERASED, abs=0.05)


def test_shift_moves_by_whole_pixels_up_to_an_eighth() -> None:
    image = torch.zeros(1, 32, 32, dtype=torch.uint8)
    image[0, 16, 16] = 255
    places = set()
    for i in range(300):
        found = augmented(image, (32, 32), ("shift",), generator(0, 0, i))
        places.add(tuple(found[0].nonzero()[0].tolist()))
    rows = {r for r, _ in places}
    assert rows == set(range(12, 21))
    assert len(places) > 60


def test_crops_have_the_area_they_are_drawn_with() -> None:
    ramp = torch.arange(200).repeat(200, 1).to(torch.uint8).unsqueeze(0)  # value = column
    wide = []
    for i in range(300):
        found = augmented(ramp, (32, 32), ("resized-crop",), generator(0, 0, i)).float()
        wide.append(float(found[0, 0, -1] - found[0, 0, 0]) / 199)
    assert min(wide) > 0.2
    assert sum(wide) / 300 == pytest.approx(0.72, abs=0.06)  # E √area with ratio about 1


def test_light_shifts_each_image_along_the_colours() -> None:
    grey = torch.full((3, 4, 4), 128, dtype=torch.uint8)
    shifts = [
        augmented(grey, (4, 4), ("pca",), generator(0, 0, i)).float().mean((1, 2)) - 128
        for i in range(3000)
    ]
    found = torch.stack(shifts).T.cov() / 255**2
    basis = torch.tensor(VECTORS)
    expected = basis @ torch.diag((0.1 * torch.tensor(VALUES)) ** 2) @ basis.T
    assert torch.allclose(found, expected, atol=6e-5)


def test_jitter_of_a_grey_image_stays_grey_and_in_range() -> None:
    grey = torch.randint(256, (1, 8, 8), generator=G, dtype=torch.uint8).expand(3, 8, 8)
    found = augmented(grey, (8, 8), ("jitter",), generator(0, 0, 3))
    assert int((found.float() - found.float().mean(0)).abs().max()) <= 1
    assert not torch.equal(found, grey)


def test_floats_are_shifted_flipped_and_erased_too() -> None:
    x = torch.randn(1, 8, 8, generator=G)
    found = augmented(x, (8, 8), ("shift", "flip", "erase"), generator(0, 0, 1))
    assert found.dtype == torch.float32
    assert tuple(found.shape) == (1, 8, 8)


def test_a_box_is_resized_alone() -> None:
    image = IMAGE.clone()
    image[:, 10:20, 5:25] = 7
    assert torch.equal(resized(image, (5, 10), (10, 5, 10, 20)), torch.full((3, 5, 10), 7).byte())


def test_words_are_checked() -> None:
    assert words("flip, shift") == ("flip", "shift")
    assert words(None) == words("none") == words("") == ()
    with pytest.raises(UsageError, match="did you mean flip"):
        words("flipp")
    with pytest.raises(UsageError, match="one of resized-crop and shift"):
        words("shift,resized-crop")
