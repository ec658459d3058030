"""What reading images costs: our loader's images a CPU second over those of the usual loop.

    python benchmarks/loader.py [--rounds 8] [--json]

Usual is what tutorials do: Pillow decodes, crops and resizes to 224, mirrors, then every image
becomes a float tensor of its own and is normalised. Ours reads the same files with resized-crop
and flip, in this process: with Pillow alone, and with simplejpeg (the extra `fast`). JPEGs of
quality 90. Then the pixels of an evaluation against Pillow's, in grey levels of 255.
"""

import argparse
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from harness import Arm, Ratio, as_json, interleave
from PIL import Image

from undertow.data import decode
from undertow.data.feed import Feed
from undertow.data.files import Files
from undertow.data.folder import folder
from undertow.data.order import Order
from undertow.data.pixels import Pixels, Scale

SIDE, COUNT, QUALITY, OCTAVES = 224, 16, 90, 5
SIZES = ((500, 400), (1600, 1200))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photos(home: Path, size: tuple[int, int]) -> list[Path]:
    """JPEGs with structure at several scales: octaves of noise."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(COUNT):
        whole = np.full((size[1], size[0], 3), 128.0)
        for octave in range(OCTAVES):
            whole += noise(rng.normal(0, 60 / 2**octave, (4 << octave, 5 << octave, 3)), size)
        path = home / "ab"[i % 2] / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(whole.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)
        made.append(path)
    return made


def noise(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A coarse grid (h, w, 3) made smooth at a size."""
    planes = [Image.fromarray(grid[..., c].astype(np.float32)).resize(size) for c in range(3)]
    return np.stack([np.asarray(p) for p in planes], -1)


def usual(paths: list[Path]) -> Arm:
    """Per image: decode, random box, resize, mirror, float, normalise; then stack."""
    rng = random.Random(0)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def one(path: Path) -> torch.Tensor:
        image = Image.open(path).convert("RGB")
        width, height = image.size
        area, ratio = width * height * rng.uniform(0.08, 1), rng.uniform(3 / 4, 4 / 3)
        w = min(width, round((area * ratio) ** 0.5))
        h = min(height, round((area / ratio) ** 0.5))
        left, top = rng.randint(0, width - w), rng.randint(0, height - h)
        image = image.crop((left, top, left + w, top + h))
        image = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return x.sub_(mean).div_(std)

    def block() -> None:
        torch.stack([one(p) for p in paths])

    return block


def ours(home: Path, *, fast: bool) -> Arm:
    """A batch by the feed of the training, nothing kept in memory."""
    data = folder(home)
    assert isinstance(data.x, Pixels)
    assert isinstance(data.x.source, Files)
    data.x.source.keep = False
    x = replace(data.x.sized((SIDE, SIDE)), scale=Scale(MEAN, STD))
    feed = Feed(replace(data, x=x), Order(COUNT, COUNT, 0), ("resized-crop", "flip"))
    groups = feed.groups(0, 10**6)
    found = decode.decoder() if fast else None

    def block() -> None:
        with mock.patch.object(decode, "decoder", return_value=found):
            next(groups)

    return block


def levels(paths: list[Path]) -> tuple[float, float]:
    """(mean, 99th percentile) of what our decoded pixels differ from Pillow's."""
    gaps = []
    for path in paths:
        found = decode.decode(path, 3).permute(1, 2, 0).numpy().astype(int)
        gaps.append(np.abs(found - np.asarray(Image.open(path).convert("RGB"))).ravel())
    gap = np.concatenate(gaps)
    return float(gap.mean()), float(np.quantile(gap, 0.99))


def rate(ratio: Ratio) -> str:
    """Times as rates: images a second over the usual loop's."""
    low, high = 1 / ratio.high, 1 / ratio.low
    return f"   {ratio.name:24} x{1 / ratio.median:.2f}  [{low:.2f}, {high:.2f}]"


def measure(home: Path, size: tuple[int, int], rounds: int, *, as_lines: bool) -> None:
    """Print the rates at one size."""
    paths = photos(home, size)
    arms = {"usual": usual(paths), "control": usual(paths), "ours": ours(home, fast=False)}
    if decode.decoder() is not None:
        arms["ours, with simplejpeg"] = ours(home, fast=True)
    found = interleave(arms, rounds)
    mean, most = levels(paths)
    title = f"loader {size[0]}x{size[1]}"
    if as_lines:
        told = {"rates": {r.name: round(1 / r.median, 3) for r in found}, "p99_levels": most}
        sys.stdout.write(as_json(title, found, told) + "\n")
        return
    lines = [f"{title}: images a CPU second over the usual loop's", *map(rate, found)]
    lines.append(f"   evaluation against Pillow: mean {mean:.3f} levels, p99 {most:.0f}")
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="one line a size")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as top:
        for size in SIZES:
            measure(Path(top) / str(size[0]), size, given.rounds, as_lines=given.json)


if __name__ == "__main__":
    main()
