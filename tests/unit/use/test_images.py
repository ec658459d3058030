"""Files, pictures and arrays become the inputs that validation saw, to the last bit."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.data.arrays import Arrays
from undertow.data.pixels import Memory, Pixels, Scale
from undertow.use.images import Reader, prepared

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
INPUTS = Inputs((3, 16, 16), 1.0, (0.0, 1.0), MEAN, STD)
IMAGE = torch.randint(0, 256, (3, 24, 20), generator=torch.Generator().manual_seed(0)).byte()


def validation(image: torch.Tensor) -> torch.Tensor:
    x = Pixels(Memory(image.unsqueeze(0)), torch.tensor([0]), 3, (16, 16), Scale(MEAN, STD))
    return x[0]


def test_a_file_and_every_form_of_array_are_what_validation_sees(tmp_path: Path) -> None:
    held = IMAGE.permute(1, 2, 0).numpy()
    picture = Image.fromarray(held)
    picture.save(tmp_path / "a.png")
    reader, wanted = Reader(INPUTS), validation(IMAGE)
    assert torch.equal(reader.file(tmp_path / "a.png"), wanted)
    for form in (held, held[None], IMAGE, IMAGE.unsqueeze(0), picture):
        assert torch.equal(reader.array(form), wanted.unsqueeze(0))
    floats = reader.array(IMAGE.float() / 255)
    torch.testing.assert_close(floats[0], wanted, atol=0.02, rtol=0)  # resized before rounding


def test_modes_are_converted_as_files_are(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    reader = Reader(INPUTS)
    Image.fromarray(grey).save(tmp_path / "g.png")
    assert torch.equal(reader.array(grey)[0], reader.file(tmp_path / "g.png"))
    alpha = np.dstack([grey, grey, grey, 255 - grey])
    Image.fromarray(alpha).save(tmp_path / "a.png")
    assert torch.equal(reader.array(alpha)[0], reader.file(tmp_path / "a.png"))
    one = Reader(replace(INPUTS, shape=(1, 16, 16), mean=(0.5,), std=(0.5,)))
    assert one.array(alpha).shape == (1, 1, 16, 16)


def test_a_range_of_ones_own() -> None:
    reader = Reader(Inputs((1, 2, 2), None, (0.0, 16.0), (4.0,), (2.0,)))
    white = np.full((2, 2), 255, np.uint8)
    assert torch.equal(reader.array(white), torch.full((1, 1, 2, 2), 6.0))
    assert torch.equal(reader.array(torch.full((1, 2, 2), 16.0)), torch.full((1, 1, 2, 2), 6.0))
    stretched = Reader(Inputs((1, 4, 4), None, (0.0, 1.0)))
    assert torch.equal(stretched.array(white), torch.ones(1, 1, 4, 4))


def test_what_cannot_be_an_input_is_refused() -> None:
    with pytest.raises(UsageError, match="--range"):
        Reader(Inputs((1, 8, 8))).array(np.zeros((8, 8), np.uint8))
    with pytest.raises(UsageError, match="not images"):
        Reader(Inputs((20,))).array(np.zeros((8, 8), np.uint8))
    with pytest.raises(UsageError, match=r"run from -2 to 0"):
        Reader(INPUTS).array(torch.linspace(-2, 0, 768).reshape(3, 16, 16))
    with pytest.raises(UsageError, match="no inputs of 3x16x16"):
        Reader(INPUTS).array(torch.zeros(4, 16, 16))
    with pytest.raises(UsageError, match="int64"):
        Reader(INPUTS).array(torch.zeros(3, 16, 16).long())


def test_what_holds_no_image_is_told_and_nothing_is_written_to() -> None:
    reader = Reader(INPUTS)
    for wrong in (np.zeros((0, 16, 16, 3), np.uint8), torch.zeros(0, 3, 16, 16)):
        with pytest.raises(UsageError, match="holds no image"):
            reader.array(wrong)
    for wrong in (np.array(["a"]), None):
        with pytest.raises(UsageError, match="is no image"):
            reader.array(wrong)
    held = IMAGE.permute(1, 2, 0).numpy().copy()
    held.flags.writeable = False  # as numpy gives a Pillow image: torch would warn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(reader.array(held)[0], validation(IMAGE))


def test_a_pipeline_of_ones_own_is_asked_for_again() -> None:
    inputs = Inputs((3, 16, 16), transform="mine")
    with pytest.raises(UsageError, match="--transform"):
        Reader(inputs)
    reader = Reader(inputs, lambda _: torch.ones(3, 16, 16))
    assert torch.equal(reader.array(Image.new("RGB", (9, 9))), torch.ones(1, 3, 16, 16))
    with pytest.raises(UsageError, match="was trained on"):
        Reader(inputs, lambda _: torch.ones(3, 8, 8)).array(Image.new("RGB", (9, 9)))


def test_a_data_set_is_brought_to_the_nets_inputs() -> None:
    x = Pixels(Memory(IMAGE.unsqueeze(0)), torch.tensor([0]), 3, (24, 20))
    data = Arrays("d", x, torch.tensor([1]), 2, False)
    assert torch.equal(prepared(data, Reader(INPUTS)).x[:][0], validation(IMAGE))
    grey = prepared(data, Reader(replace(INPUTS, shape=(1, 16, 16), mean=(0.5,), std=(0.5,))))
    assert tuple(grey.x.shape) == (1, 1, 16, 16)
    floats = Arrays("d", torch.full((2, 1, 8, 8), 8.0), torch.tensor([0, 1]), 2, True)
    made = prepared(floats, Reader(Inputs((1, 8, 8), mean=(4.0,), std=(2.0,))))
    assert torch.equal(made.x[:], torch.full((2, 1, 8, 8), 2.0))
