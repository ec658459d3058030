"""Small image files for tests, of every kind people have."""

from pathlib import Path

import numpy as np
from PIL import Image


def colours(height: int = 24, width: int = 30, seed: int = 0) -> np.ndarray:
    """A smooth picture with one bright corner: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phase = rng.random(3) * 6
    made = 127 + 100 * np.sin(6 * x[..., None] + 4 * y[..., None] + phase)
    made[: height // 4, : width // 4] = 250
    whole: np.ndarray = made.clip(0, 255).astype(np.uint8)
    return whole


def save(path: Path, height: int = 24, width: int = 30, seed: int = 0, mode: str = "RGB") -> Path:
    """A picture in a file of the kind its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(colours(height, width, seed))
    image.convert(mode).save(path)
    return path


def classes(root: Path, counts: dict[str, int], side: int = 24) -> Path:
    """A folder of class folders with so many images each."""
    seed = 0
    for name, count in counts.items():
        for i in range(count):
            seed += 1
            save(root / name / f"{i:03}.png", side, side, seed)
    return root
