"""How an image becomes an input of a net: what a checkpoint says of it, in numbers and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from undertow.core.errors import UsageError

IMAGE = 3  # axes of one image


@dataclass(frozen=True, slots=True)
class Inputs:
    """The steps from an image to an input, in their order.

    Attributes:
        shape: of one input: (C, H, W), or (features,).
        border: the shorter side is resized to `border` times the crop's, bilinear and antialiased,
            and the centre is cut; None: the whole is resized to (H, W), its ratio not kept.
        range: what the values 0 and 255 of a pixel become; None: the training data were arrays in
            a unit of their own, and images cannot be brought to it without being told.
        mean: subtracted from each channel (feature) then; None: nothing is.
        std: divided by then.
        transform: name of a user's own pipeline that does all this in place of the above.
    """

    shape: tuple[int, ...]
    border: float | None = None
    range: tuple[float, float] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    transform: str | None = None

    @property
    def channels(self) -> int:
        """C of an image; the number of features."""
        return self.shape[0]

    @property
    def image(self) -> bool:
        """Whether the net takes images."""
        return len(self.shape) == IMAGE

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of an image."""
        return self.shape[1], self.shape[2]

    def told(self) -> dict[str, Any]:
        """As stored with a checkpoint; every digit is kept."""
        held: dict[str, Any] = {"shape": list(self.shape), "scale": None}
        if self.mean is not None and self.std is not None:
            held["scale"] = {"mean": list(self.mean), "std": list(self.std)}
        if self.range is not None:
            held["range"] = list(self.range)
        if self.border is not None:
            held |= {"resize": "shorter side, bilinear, antialiased", "crop": "centre"}
            held["border"] = self.border
        return held | {"transform": self.transform}

    def words(self) -> str:
        """One line for people."""
        size = "x".join(map(str, self.shape))
        if self.transform is not None:
            return f"{size} by the transform {self.transform}"
        said = [size]
        if self.border is not None:
            short = round(min(self.size) * self.border)
            said.append(f"shorter side {short}, centre" if self.border != 1 else "centre")
        if self.range is not None:
            said.append(f"values {self.range[0]:g} to {self.range[1]:g}")
        if self.mean is not None and self.std is not None:
            said.append(f"mean {_few(self.mean)}, std {_few(self.std)}")
        return "; ".join(said)


def read(told: object) -> Inputs | None:
    """What a checkpoint says of its inputs; None where it says nothing.

    Takes the form of `Inputs.told` and that of published files (crop, resize, mean, std).

    Raises:
        UsageError: a damaged one.
    """
    if not isinstance(told, Mapping) or not told:
        return None
    try:
        return _published(told) if "crop" in told and "shape" not in told else _stored(told)
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(
            f"the checkpoint's preprocessing cannot be read ({type(error).__name__}: {error});"
            " give it anew with --size, --mean, --std and --range"
        ) from error


def _stored(told: Mapping[str, Any]) -> Inputs:
    scale = told.get("scale") or {}
    border, low_high = told.get("border"), told.get("range")
    return Inputs(
        tuple(int(n) for n in told["shape"]),
        None if border is None else float(border),
        None if low_high is None else (float(low_high[0]), float(low_high[1])),
        tuple(float(v) for v in scale["mean"]) if scale else None,
        tuple(float(v) for v in scale["std"]) if scale else None,
        told.get("transform"),
    )


def _published(told: Mapping[str, Any]) -> Inputs:
    crop, resize = int(told["crop"]), told.get("resize")
    mean, std = (tuple(float(v) for v in told[k]) for k in ("mean", "std"))
    border = 1.0 if resize is None else int(resize) / crop
    return Inputs((len(mean), crop, crop), border, (0.0, 1.0), mean, std)


def _few(values: tuple[float, ...]) -> str:
    shown = ", ".join(f"{v:.4g}" for v in values[:IMAGE])
    return shown if len(values) <= IMAGE else f"{shown}, ... ({len(values)})"
