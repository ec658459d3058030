"""Pictures of why: which files, which class, the pixels the net saw, bad images passed over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.unit.data import pictures as files
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.inputs import Inputs
from undertow.use.explain import Wish, explained, place_of, shown
from undertow.use.images import Reader
from undertow.use.source import Opened

INPUTS = Inputs((3, 16, 16), 1.0, (0.0, 1.0), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def opened() -> Opened:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    net = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return Opened(net, INPUTS, ("cat", "dog"), name="net")


def test_every_image_gets_its_picture_and_bad_ones_are_passed_over(tmp_path: Path) -> None:
    home = files.classes(tmp_path / "in", {"a": 1, "b": 1}, side=16)  # both are 000.png
    (home / "a" / "no.png").write_bytes(b"text")
    found = list(explained(opened(), home, Wish(tmp_path / "out", layer="0.0")))
    written = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert written == ["000-0.0.png", "000-2-0.0.png", "000-2-gradcam.png", "000-gradcam.png",
                       "filters.png"]  # fmt: skip
    assert [one.layer for one in found] == ["0.0", "0.0"]
    assert {one.label for one in found} <= {"cat", "dog"}
    with Image.open(tmp_path / "out" / "000-gradcam.png") as made:
        assert made.size == ((16 + 2 + 16) * 14, 16 * 14)


def test_the_class_is_chosen_by_name_or_number(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    (one,) = explained(opened(), image, Wish(tmp_path, target="dog"))
    assert one.label == "dog"
    assert place_of(opened(), "1") == 1
    with pytest.raises(UsageError, match=r"class='dig' is unknown \(did you mean dog\?\)"):
        place_of(opened(), "dig")
    with pytest.raises(UsageError, match="class 7 is none of the 2"):
        list(explained(opened(), image, Wish(tmp_path, target="7")))


def test_the_picture_shows_the_pixels_the_net_saw() -> None:
    image = torch.randint(0, 256, (3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()
    x = Reader(INPUTS).array(image)[0]
    assert torch.equal(shown(opened(), x), image)
    bare = replace(opened(), inputs=Inputs((5, 2, 2)))
    ramp = torch.linspace(-3, 9, 20).view(5, 2, 2)
    grey = shown(bare, ramp)
    assert grey.shape == (1, 2, 2)
    assert grey[0, 0, 0] < grey[0, 1, 1]


def test_a_map_of_nothing_says_so(tmp_path: Path) -> None:
    made = opened()
    head: nn.Linear = made.net[-1]  # type: ignore[index,assignment]
    head.weight.data.fill_(-1.0)
    (one,) = explained(made, np.zeros((16, 16, 3), np.uint8), Wish(tmp_path, target="0"))
    assert one.blank


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises((UsageError, EnvironmentFaultError), match="give a folder"):
        list(explained(opened(), image, Wish(tmp_path / "file")))
