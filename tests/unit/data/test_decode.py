"""Every kind of image file becomes upright uint8; what is none is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from undertow.data import decode as module
from undertow.data.decode import BadImageError, decode, header, picture

from .pictures import colours, save


def test_a_png_comes_back_exactly(tmp_path: Path) -> None:
    found = decode(save(tmp_path / "a.png"), 3)
    assert found.dtype == torch.uint8
    assert torch.equal(found, torch.from_numpy(colours()).permute(2, 0, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    turns = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}
    image = Image.fromarray(colours())
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.asarray(image)
    turn, mirror = turns[orientation]
    stored = np.rot90(stored, turn)  # what a camera held that way would have stored
    stored = stored[:, ::-1] if mirror else stored
    path = tmp_path / "a.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    assert header(path).rotated == (orientation != 1)
    assert torch.equal(decode(path, 3).permute(1, 2, 0), torch.from_numpy(colours()))
    assert picture(path).size == (30, 24)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.png", "L"), ("a.png", "P"), ("a.png", "RGBA"), ("a.png", "1"), ("a.png", "LA"),
     ("a.jpg", "CMYK"), ("a.gif", "P"), ("a.bmp", "RGB"), ("a.webp", "RGB"), ("a.jpg", "L")],
)  # fmt: skip
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_converted(tmp_path: Path, name: str, mode: str, channels: int) -> None:
    found = decode(save(tmp_path / name, mode=mode), channels)
    assert (found.dtype, tuple(found.shape)) == (torch.uint8, (channels, 24, 30))
    grey = np.asarray(Image.fromarray(colours()).convert("L")).astype(float)
    limit = 70 if mode == "1" else 30
    assert abs(found.double().mean() - grey.mean()) < limit


@pytest.mark.parametrize(
    ("name", "mode", "kinds"),
    [("a.png", "RGB", []), ("a.png", "L", []), ("a.png", "1", []), ("a.png", "P", ["palette"]),
     ("a.png", "RGBA", ["alpha"]), ("a.png", "LA", ["alpha"]), ("a.jpg", "CMYK", ["CMYK"]),
     ("a.png", "I;16", ["16-bit"]), ("a.tif", "LAB", ["LAB"])],
)  # fmt: skip
def test_what_is_converted_is_told(tmp_path: Path, name: str, mode: str, kinds: list[str]) -> None:
    path = save(tmp_path / name, mode="RGB" if mode in ("I;16", "LAB") else mode)
    if mode == "I;16":
        Image.fromarray(np.full((24, 30), 40000, np.uint16)).save(path)
    if mode == "LAB":
        Image.new("LAB", (30, 24)).save(path)
    told: list[str] = []
    decode(path, 3, kind=told.append)
    picture(path, told.append)
    assert told == kinds * 2


def test_a_clear_palette_is_told_as_both(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(colours()).convert("P").save(path, transparency=0)
    told: list[str] = []
    decode(path, 3, kind=told.append)
    assert told == ["palette", "alpha"]


def test_a_users_transform_gets_sixteen_bits_scaled_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((24, 30), 0x4040, np.uint16)).save(path)
    assert np.asarray(picture(path)).tolist() == np.full((24, 30, 3), 0x40).tolist()


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 24 * 30).reshape(24, 30).astype(np.uint16)
    path = tmp_path / "a.png"
    Image.fromarray(deep).save(path)
    found = decode(path, 1)[0].numpy()
    assert np.array_equal(found, (deep // 257).astype(np.uint8))
    assert (found.min(), found.max()) == (0, 255)


def test_a_draft_is_smaller_and_only_where_it_was_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", 400, 480)
    assert tuple(decode(path, 3).shape) == (3, 400, 480)
    small = decode(path, 3, need=100)
    assert min(small.shape[1:]) >= 100
    assert min(small.shape[1:]) < 400
    assert tuple(decode(path, 3, need=201).shape) == (3, 400, 480)  # less than twice the need


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    text, empty, cut = tmp_path / "t.jpg", tmp_path / "e.png", tmp_path / "c.jpg"
    text.write_text("not a picture")
    empty.write_bytes(b"")
    whole = save(tmp_path / "w.jpg").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    for path, why in ((text, "not an image"), (empty, "not an image"), (cut, "[Tt]runcated")):
        with pytest.raises(BadImageError, match=f"{path.name}.*{why}"):
            decode(path, 3)
    with pytest.raises(BadImageError, match=r"w\.png.*No such file"):
        decode(tmp_path / "w.png", 3)


def test_a_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 9_000)).save(path)  # 13 kB of file, 324 MB as RGB
    with pytest.raises(BadImageError, match="12000x9000 is more than the limit"):
        decode(path, 3)
    monkeypatch.setattr(module, "MOST", 100)
    with pytest.raises(BadImageError, match="30x24 is more than the limit of 100"):
        header(save(tmp_path / "a.png"))


def test_simplejpeg_reads_a_jpeg_as_pillow_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("simplejpeg", reason="the extra fast is not installed")
    path = tmp_path / "a.jpg"
    smooth = np.asarray(Image.fromarray(colours()).resize((90, 70)))
    Image.fromarray(smooth).save(path, quality=90)
    calls: list[str] = []
    real = module.decoder()

    class Counted:
        def decode_jpeg(self, data: bytes, mode: str) -> np.ndarray:
            calls.append(mode)
            return real.decode_jpeg(data, mode)

    monkeypatch.setattr(module, "decoder", Counted)
    fast = decode(path, 3)
    assert calls == ["RGB"]
    plain = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)
    assert int((fast.int() - plain.int()).abs().max()) <= 1
    decode(path, 1)  # colour as grey: Pillow's own weights
    assert calls == ["RGB"]


def test_a_damaged_jpeg_is_told_in_pillows_words_by_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def decode_jpeg(self, data: bytes, mode: str) -> np.ndarray:
            raise ValueError("Premature end of JPEG file")

    path = tmp_path / "a.jpg"
    Image.fromarray(colours()).save(path)
    whole = path.read_bytes()
    monkeypatch.setattr(module, "decoder", Refusing)
    assert decode(path, 3).shape == (3, 24, 30)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadImageError, match=r"a\.jpg: .*[Tt]runcated"):
        decode(path, 3)
