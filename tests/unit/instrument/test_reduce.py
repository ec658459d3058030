"""Reductions against float64 and closed forms, at every scale and memory layout."""

import math

import pytest
import torch
from torch import Tensor

from undertow.instrument import reduce
from undertow.instrument.reduce import (
    SUBSAMPLE,
    _few_values,
    fetch,
    l2,
    l2_each,
    measure_backward,
    measure_forward,
    nonfinite,
    spread,
    subsample,
    unit_max,
)

SCALES = [1e-38, 1e-30, 1e-23, 1e-16, 1e-3, 1.0, 1e16, 1e19, 1e30]


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scale", SCALES)
def test_l2_holds_where_squares_leave_the_range(scale: float) -> None:
    v = values(7, 11) * scale
    wanted = v.double().norm().item()
    assert math.isclose(l2(v, v.abs().max().item()), wanted, rel_tol=1e-5)
    (found,) = l2_each([v]).tolist()
    assert math.isclose(found, wanted, rel_tol=1e-5)


def test_plain_squares_would_have_lost_it() -> None:
    """The bug this guards against: an RMS of 1e-23 reads as exactly 0."""
    v = values(7, 11) * 1e-30
    assert torch.linalg.vector_norm(v).item() == 0.0
    assert l2(v, v.abs().max().item()) > 0


@pytest.mark.parametrize("special", [0.0, math.nan, math.inf])
def test_l2_of_special_values(special: float) -> None:
    v = torch.full((3, 4), special)
    wanted = {0.0: 0.0}.get(special, special)
    assert repr(l2(v, v.abs().max().item())) == repr(wanted)


def test_l2_each_keeps_the_order_and_takes_none() -> None:
    tensors = [values(3), values(4) * 1e-25, torch.zeros(2), values(2, 2) * 1e25]
    wanted = [t.double().norm().item() for t in tensors]
    assert l2_each(tensors).tolist() == pytest.approx(wanted, rel=1e-5)
    assert l2_each([]).numel() == 0


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(kind: torch.dtype) -> None:
    v = torch.full((100, 100), 300.0, dtype=kind)  # 300² is beyond float16
    cells, _ = measure_forward(v, "", -1, 0)
    assert cells["act_rms"] == pytest.approx(300.0)
    assert cells["act_mean"] == pytest.approx(300.0)
    assert all(isinstance(c, float) for c in cells.values())


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e20])
@pytest.mark.parametrize("apart", [1.0, 1e-3, 1e-6])
def test_spread_centres_before_it_squares(scale: float, apart: float) -> None:
    v = ((values(1, 5, 9) + values(16, 5, 9, seed=1) * apart) * scale).float()
    wide = v.double()
    wanted = ((wide - wide.mean(0)).norm() / wide.norm()).item()
    assert math.isclose(spread(v, v.abs().max().item(), 0), wanted, rel_tol=0.05)


def test_spread_of_equal_samples_of_zero_and_along_another_axis() -> None:
    same = values(1, 6).expand(8, 6).contiguous()
    assert spread(same, same.abs().max().item(), 0) < 1e-6
    assert spread(torch.zeros(4, 3), 0.0, 0) == 0.0
    v = values(3, 9, 5)
    across = spread(v.transpose(0, 1).contiguous(), v.abs().max().item(), 0)
    assert spread(v, v.abs().max().item(), 1) == pytest.approx(across, rel=1e-6)


def test_spread_looks_at_few_samples_of_a_large_layer() -> None:
    v = values(64, 40_000)
    few = v[:8].double()
    wanted = ((few - few.mean(0)).norm() / few.norm()).item()
    assert spread(v, v.abs().max().item(), 0) == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("shape", [(4, 7), (4, 7, 5), (4, 7, 5, 3), (2, 7, 3, 4, 5)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_unit_max_over_samples_and_positions(shape: tuple[int, ...], channels_last: bool) -> None:
    v = values(*shape)
    if channels_last and len(shape) == 4:
        v = v.to(memory_format=torch.channels_last)
    for unit in (1, -1):
        others = [d for d in range(v.ndim) if d != unit % v.ndim]
        assert torch.equal(unit_max(v, unit), v.amax(others))
    assert torch.equal(unit_max(v[0, :, ...].reshape(-1), -1), v[0].reshape(-1))


def test_dead_units_are_exact_for_every_kinked_activation() -> None:
    z = values(16, 6, 4, 4)
    z[:, 2] = -z[:, 2].abs()
    z[:, 4] = 0.0
    z[:, 5] = -z[:, 5].abs()
    z[9, 5, 1, 1] = 1e-20  # alive for one sample at one place
    for word, f in {
        "relu": torch.relu,
        "leaky-relu": torch.nn.functional.leaky_relu,
        "elu": torch.nn.functional.elu,
        "selu": torch.selu,
        "gelu": torch.nn.functional.gelu,
        "silu": torch.nn.functional.silu,
    }.items():
        _, dead = measure_forward(f(z), word, 1, 0)
        assert dead is not None
        assert dead.tolist() == [False, False, True, False, True, False], word
    for word in ("sigmoid", "tanh", "softplus", ""):
        assert measure_forward(z.abs(), word, 1, 0)[1] is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nonfinite_entries_are_counted(bad: float) -> None:
    v = values(3, 50)
    assert nonfinite(v, v.sum().item()) == 0
    v[1, 3:7] = bad
    assert nonfinite(v, v.sum().item()) == 4
    cells, _ = measure_forward(v, "", -1, 0)
    assert cells["nonfinite"] == 4
    assert not math.isfinite(cells["act_max"])
    assert measure_backward(v)["nonfinite"] == 4


def test_a_sum_that_overflows_counts_nothing() -> None:
    v = torch.full((4, 4), 3e38)
    assert nonfinite(v, v.sum().item()) == 0


def test_the_subsample_is_spread_over_all_columns() -> None:
    v = torch.arange(64 * 64 * 64.0).reshape(64, 64, 64)
    picked = subsample(v)
    assert 0.9 * SUBSAMPLE < len(picked) <= SUBSAMPLE
    assert len(set((picked % 64).tolist())) == 64
    assert torch.equal(subsample(values(5, 5)), values(5, 5).reshape(-1))


def test_the_subsample_of_other_layouts_is_a_view_where_it_can_be() -> None:
    v = values(4, 8, 16, 16).to(memory_format=torch.channels_last)
    assert subsample(v).untyped_storage().data_ptr() == v.untyped_storage().data_ptr()
    assert sorted(subsample(v).tolist()) == sorted(subsample(v.permute(0, 2, 3, 1)).tolist())
    wide = values(3, 1).expand(3, 50)
    assert set(subsample(wide).tolist()) == set(wide.flatten().tolist())


def test_shares_of_a_large_tensor_are_within_two_per_cent() -> None:
    g = torch.relu(values(64, 32, 16, 16))
    assert measure_backward(g)["grad_zero"] == pytest.approx(
        (g == 0).float().mean().item(), abs=0.02
    )


def test_fetch_takes_scalars_and_vectors_in_one_go() -> None:
    assert fetch([]) == []
    cells = [1.5, torch.tensor([2, 3]), torch.zeros(0), torch.tensor(0.25)]
    assert fetch(cells) == [[1.5], [2.0, 3.0], [], [0.25]]


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
@pytest.mark.parametrize("act", ["relu", "sigmoid", "tanh", ""])
def test_the_form_without_looking_agrees(
    scale: float, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device no value is looked at: everything stays a tensor until it is fetched."""
    v = torch.relu(values(6, 4, 3, 3)) * scale
    looked, dead = measure_forward(v, act, 1, 0)
    back = measure_backward(v)
    monkeypatch.setattr(reduce, "number", lambda t: t)
    blind, same = measure_forward(v, act, 1, 0)
    assert all(isinstance(c, Tensor) for c in blind.values())
    assert list(blind) == list(looked)
    for found, wanted in ((blind, looked), (measure_backward(v), back)):
        for (value,), other in zip(fetch(list(found.values())), wanted.values(), strict=True):
            assert math.isclose(value, other, rel_tol=1e-5)
    assert dead is same is None or torch.equal(dead, same)  # type: ignore[arg-type]
    tensors = [v, torch.zeros(3), values(4) * 1e-25]
    both = reduce._scaled_each(tensors, torch.float32), l2_each(tensors)
    assert both[0].tolist() == pytest.approx(both[1].tolist(), rel=1e-5)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_spread_of_a_large_output_is_that_of_lines_picked_from_its_samples(
    order: torch.memory_format,
) -> None:
    g = torch.Generator().manual_seed(0)
    common, own = torch.randn(1, 48, 40, 40, generator=g), torch.randn(8, 48, 40, 40, generator=g)
    v = (common + 0.1 * own).contiguous(memory_format=order)
    apart = (v - v.mean(0)).double().norm() / v.double().norm()
    assert spread(v, v.abs().max().item(), 0) == pytest.approx(apart.item(), rel=0.03)
    assert _few_values(v, 0).numel() < v.numel() / 8
    assert _few_values(v[:2, :3], 0).shape == (2, 3, 40, 40)  # a small one is taken whole
