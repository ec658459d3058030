"""A plain 56-layer convolutional net with batch norm against its residual twin, on digits.

    python benchmarks/deep_twin.py

Depth alone costs the plain one its training though its gradients are sound: degradation (He et al.
2016, section 4.1). `ut.prove` with the plain net as control, width 8, 100 steps, 3 seeds; a line of
JSON in benchmarks/results.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

import torch
from repairs import Here
from sick import sgd, small_images
from torch import nn


def net(seed: int, skip: str) -> nn.Module:
    """56 convolutions of 8 channels."""
    import undertow as ut

    sizes = {"depth": 56, "width": 8, "classes": 10, "in_channels": 1}
    return ut.build("conv", norm="batch", skip=skip, init="he-normal", seed=seed, **sizes)


def main() -> None:
    """Prove, write and print the line."""
    import undertow as ut

    began, twin = time.process_time(), partial(net, skip="zero-pad")
    said = ut.prove(
        partial(net, skip="none"), twin, small_images(), optimizer=sgd(0.05), steps=100,
        budget_s=2000, executor=Here(),
    )  # fmt: skip
    arms: dict[str, list[tuple[float | None, ...]]] = {}
    for t in said.trials:
        arms.setdefault(t.arm, []).append((t.train, t.held_back, t.accuracy))
    line = json.dumps(
        {
            "id": "plain conv-56 with BN against its residual twin",
            "word": said.word,
            "why": said.why,
            "interval": said.interval,
            "arms": arms,
            "steps": 100,
            "seconds": round(time.process_time() - began),
        }
    )
    (Path(__file__).parent / "results" / "deep-twin.jsonl").write_text(line + "\n")
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
