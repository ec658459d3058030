"""The eager twin of a compiled net: same numbers, nothing touched, whatever the net gives back."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from undertow.instrument.probe import Probe
from undertow.instrument.twin import Twin

X = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))


class Named(nn.Module):
    """Gives a mapping, takes a keyword, has a state and draws."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.a, self.norm, self.b = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor, *, noise: float = 0.0) -> dict[str, Any]:
        """(N, 6) -> {"count": ..., "logits": (N, 3)}."""
        h = torch.relu(self.norm(self.a(x)) + noise * torch.randn(8))
        return {"count": torch.tensor(3), "logits": self.b(h), "hidden": h}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    torch._dynamo.reset()
    with torch.random.fork_rng():
        yield


def measured(net: nn.Module, twin: bool) -> Any:
    probe = Probe(net)
    torch.manual_seed(4)
    if not twin:
        with probe.sampling():
            net(X, noise=0.3)["logits"].square().mean().backward()
        return probe.read(0)
    beside = Twin(net, probe)
    beside.attach()
    net(X, noise=0.3)["logits"].square().mean().backward()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    grads = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    random = torch.get_rng_state()
    beside.measure()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    now = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(now, grads, strict=True))
    assert torch.equal(random, torch.get_rng_state())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    return probe.read(0)


@pytest.mark.filterwarnings("ignore")
def test_the_twin_of_a_compiled_net_measures_what_the_eager_net_shows() -> None:
    plain = measured(Named(), twin=False)
    wrapped: Any = torch.compile(Named(), backend="eager")
    seen = measured(wrapped, twin=True)
    for stat in ("act_rms", "spread", "grad_l2", "wgrad_l2", "dead"):
        assert seen.column(stat) == plain.column(stat), stat


def test_without_a_backward_there_is_nothing() -> None:
    net = Named()
    probe = Probe(net)
    twin = Twin(net, probe)
    twin.attach()
    net(X)
    twin.measure()
    assert not probe.measured
    with torch.no_grad():
        twin.attach()
        net(X)
    twin.measure()
    assert not probe.measured
