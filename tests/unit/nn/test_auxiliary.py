"""An auxiliary head averages a stage and classifies it."""

import torch

from undertow.nn.auxiliary import AuxHead


def test_maps_are_averaged_and_features_taken_as_they_are() -> None:
    head = AuxHead(4, 3)
    x = torch.randn(2, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(head(x), head.fc(x.mean((2, 3))), atol=1e-6)
    assert torch.equal(head(x[:, :, 0, 0]), head.fc(x[:, :, 0, 0]))
