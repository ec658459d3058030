"""What an export left, and how it was checked."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported net.

    Attributes:
        file: the net.
        beside: JSON with preprocessing, class names and loss, which stand in the file too.
        kind: onnx, safetensors or pt2.
        size: of the file in bytes.
        images: of the batch it was checked on.
        source: of that batch: images given, the run's own data, or random.
        difference: from the net itself on it, relative in the 2-norm; top-1 was equal.
        opset: of an ONNX file.
    """

    file: Path
    beside: Path
    kind: str
    size: int
    images: int
    source: str
    difference: float
    opset: int | None = None

    def words(self) -> str:
        """One line for people."""
        opset = "" if self.opset is None else f" (opset {self.opset})"
        return (
            f"{self.file}{opset}: {self.size / 2**20:.1f} MiB; within {self.difference:.1g} of the"
            f" net and same classes on {self.images} images ({self.source})"
        )
