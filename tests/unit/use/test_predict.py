"""One prediction an image, in order; bad files are lines; outputs are read as the loss says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from tests.unit.data.pictures import save
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.use.predict import How, listed, predictions
from undertow.use.source import Opened

INPUTS = Inputs((3, 8, 8), 1.0, (0.0, 1.0))


class Brightness(nn.Module):
    """Logits a, b of images: class 1 where the mean is above one half."""

    def __init__(self, *gains: float) -> None:
        super().__init__()
        self.gains = nn.Parameter(torch.tensor(gains))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, gains)."""
        return (x.mean((1, 2, 3)) - 0.5)[:, None] * self.gains


def flat(value: int, count: int = 1) -> np.ndarray:
    return np.full((count, 8, 8, 3), value, np.uint8)


def test_classes_names_and_probabilities() -> None:
    source = Opened(Brightness(-2.0, 2.0), INPUTS, ("dark", "bright"))
    white, black = predictions(source, np.concatenate([flat(255), flat(0)]), How(top=9))
    assert (white.image, white.label, white.index) == ("0", "bright", 1)
    assert white.probability == pytest.approx(1 / (1 + np.exp(-2.0)), rel=1e-6)
    assert [g.label for g in white.top] == ["bright", "dark"]
    assert sum(g.probability for g in white.top) == pytest.approx(1)
    assert (black.image, black.label) == ("1", "dark")


def test_one_unit_under_bce_is_two_classes() -> None:
    source = Opened(Brightness(4.0), INPUTS, ("no", "yes"), loss="bce")
    (white,) = predictions(source, flat(255), How())
    assert (white.label, white.probability) == ("yes", pytest.approx(1 / (1 + np.exp(-2.0))))
    (grey,) = predictions(source, flat(26), How())
    assert (grey.label, grey.index) == ("no", 0)
    with pytest.raises(UsageError, match="--loss bce"):
        list(predictions(Opened(Brightness(4.0), INPUTS), flat(255), How()))


def test_numbers_are_numbers() -> None:
    (one,) = predictions(Opened(Brightness(4.0), INPUTS, loss="mse"), flat(255), How())
    assert one.values == pytest.approx((2.0,))
    assert one.label is None


def test_bad_files_are_lines_in_their_place(tmp_path: Path) -> None:
    good = [save(tmp_path / f"{i}.png", 8, 8, i) for i in (1, 3)]
    bad = tmp_path / "2.jpg"
    bad.write_text("no image")
    source = Opened(Brightness(-2.0, 2.0), INPUTS)
    found = list(predictions(source, [good[0], bad, tmp_path / "4.png", good[1]], How()))
    assert [p.image for p in found] == [
        str(good[0]),
        str(bad),
        str(tmp_path / "4.png"),
        str(good[1]),
    ]
    assert [p.error is None for p in found] == [True, False, False, True]
    assert found[1].error == "not an image Pillow knows"
    assert found[2].error == "No such file or directory"
    alone = list(predictions(source, [good[1]], How()))
    assert alone[0] == found[3]


def test_folders_are_searched_and_empty_ones_told(tmp_path: Path) -> None:
    save(tmp_path / "b" / "2.png")
    save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("x")
    assert [Path(n).name for n, _ in listed(tmp_path)] == ["a.png", "2.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no images"):
        listed([tmp_path / "a.png", tmp_path / "empty"])
    with pytest.raises(UsageError, match="no images given"):
        listed([])


def test_outputs_that_are_not_finite_are_errors() -> None:
    source = Opened(Brightness(float("nan"), 1.0), INPUTS)
    (one,) = predictions(source, flat(255), How(fast=False))
    assert one.error is not None
    assert "finite" in one.error


def test_a_module_takes_floats_as_they_are_and_is_asked_for_images() -> None:
    net = Brightness(-2.0, 2.0).train()
    x = torch.full((2, 3, 8, 8), 7.0)
    found = ut.predict(net, x)
    assert [p.label for p in found] == ["1", "1"]
    assert net.training
    with pytest.raises(UsageError, match="--preprocessing"):
        ut.predict(net, flat(0))
    (black,) = ut.predict(net, flat(0), size="3x8x8", names=("dark", "bright"))
    assert black.label == "dark"


def test_batches_change_nothing() -> None:
    source = Opened(Brightness(-2.0, 2.0), INPUTS)
    images = np.concatenate([flat(v) for v in range(0, 250, 10)])
    whole = list(predictions(source, images, How()))
    single = [next(predictions(source, image, How())) for image in images]
    assert [p.index for p in whole] == [p.index for p in single]


def test_large_folders_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undertow.use.predict.VALUES", 3 * 192)
    said: list[str] = []
    source = Opened(Brightness(-2.0, 2.0), INPUTS)
    found = list(predictions(source, flat(255, 10), How(tell=said.append)))
    assert [p.image for p in found] == [str(i) for i in range(10)]
    assert len(said) == 1
