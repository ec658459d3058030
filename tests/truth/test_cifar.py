"""The published CIFAR files load, and are right as often as the JPEG copy of the data allows.

That decides the shortcut of option A and the preprocessing.
"""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from undertow.models import build_plan, load_weights, plan_of
from undertow.models.weights import Preprocessing, named

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
ACCURACY = {"cifar_resnet20": 81.03, "cifar_resnet32": 82.56}  # % of 10,000 images
FILES = {
    "cifar_resnet20": "cifar-resnet20-12fca82f.th",
    "cifar_resnet32": "cifar-resnet32-d509ac18.th",
}


@pytest.mark.parametrize("name", FILES)
def test_the_published_files_load(test_data: Path, name: str) -> None:
    plan = plan_of(name)
    net = build_plan(plan)
    said = load_weights(net, plan, test_data / "data" / FILES[name])
    assert said.new == ()
    assert said.warnings == ()
    entry = named(FILES[name])
    assert entry is not None
    assert (said.preprocessing, said.notes) == (entry.preprocessing, entry.notes)
    held = torch.load(said.file, map_location="cpu", weights_only=True)["state_dict"]
    assert all(torch.equal(net.state_dict()[k.removeprefix("module.")], v) for k, v in held.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_they_are_right_as_often_as_measured(test_data: Path, name: str) -> None:
    plan = plan_of(name)
    net = build_plan(plan).eval()
    said = load_weights(net, plan, test_data / "data" / FILES[name])
    assert said.preprocessing is not None
    right = 0
    for images, labels in batches(test_data / "data" / "cifar10-jpg.tar.xz", said.preprocessing):
        with torch.no_grad():
            right += int((net(images).argmax(1) == labels).sum())
    assert right / 100 == pytest.approx(ACCURACY[name], abs=0.05)


def batches(file: Path, how: Preprocessing) -> list[tuple[Tensor, Tensor]]:
    """The test images, prepared, a thousand at a time, with their labels."""
    pixels, labels = [], []
    with tarfile.open(file) as archive:
        for member in archive:
            parts = Path(member.name).parts
            held = archive.extractfile(member) if parts[0] == "test" and member.isfile() else None
            if held is not None:
                pixels.append(np.asarray(Image.open(io.BytesIO(held.read())).convert("RGB")))
                labels.append(CLASSES.index(parts[1]))
    x = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(how.mean)[:, None, None]) / torch.tensor(how.std)[:, None, None]
    assert x.shape == (10_000, 3, 32, 32)
    return list(zip(x.split(1000), torch.tensor(labels).split(1000), strict=True))
