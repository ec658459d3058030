"""Features of the loop against hand calculation, each with the bug it must not have."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from undertow.core.errors import UsageError
from undertow.core.plan import TrainChoices
from undertow.data.arrays import Arrays
from undertow.data.feed import Feed, Group, Micro
from undertow.data.order import Order
from undertow.diagnosis.engine import diagnose
from undertow.instrument.watch import Watch
from undertow.models import build
from undertow.preflight import guarded
from undertow.record.store import read_events, read_run
from undertow.train import precision
from undertow.train.average import Average
from undertow.train.fit import Job, fit
from undertow.train.heads import collected, has_heads
from undertow.train.loop import How, Penalties, walk
from undertow.train.objective import objective


def linear(*weights: float) -> nn.Linear:
    net = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([weights]))
    return net


def total(out: Tensor, _: Tensor) -> Tensor:
    return out.sum()


def job(folder: Path, choices: TrainChoices, **given: Any) -> Job:
    with guarded(0):
        x, y = torch.randn(70, 6), torch.randint(3, (70,))
        net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    data = Arrays("n", x, y, 3, False)
    made = Job(
        net,
        optim.SGD(net.parameters(), 0.1),
        data.take(torch.arange(57)),
        data.take(torch.arange(57, 70)),
        choices,
        F.cross_entropy,
        folder,
    )
    return replace(made, **given)


def run(made: Job) -> Any:
    watch = Watch(
        made.net, optimizer=made.optimizer, run=made.folder, judge=diagnose, told=True, every=5
    )
    return fit(made, watch)


@pytest.mark.parametrize("balance", ["none", "inverse"])
def test_micro_batches_add_up_to_one_batch_the_short_last_group_too(
    tmp_path: Path, balance: str
) -> None:
    def trained(name: str, batch: int, accumulate: int) -> Job:
        choices = TrainChoices(batch=batch, accumulate=accumulate, epochs=3, balance=balance)
        made = job(tmp_path / name, choices)
        counts = made.train.y.bincount()
        made = replace(made, objective=objective(choices, F.cross_entropy, "cross-entropy", counts))
        run(made)
        return made

    one, four = trained("one", 32, 1), trained("four", 8, 4)
    assert one.epoch == four.epoch == 2  # 32 and 25 = 8 + 8 + 8 + 1, where 1 joins the 8 before
    for a, b in zip(one.net.parameters(), four.net.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)
    losses = [[m.loss for m in read_run(j.folder).metrics] for j in (one, four)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_group_divided_by_its_parts_would_be_caught() -> None:
    """The usual bug: the mean of means counts a short micro-batch as much as a whole one."""
    x, y = torch.tensor([[1.0], [2.0], [6.0]]), torch.zeros(3)
    net = linear(0.0)
    parts = (Micro(x[:2], y[:2]), Micro(x[2:], y[2:]))
    how = How(lambda out, _: out.mean())
    list(walk(net, optim.SGD(net.parameters(), 1.0), [Group(parts, y)], how))
    assert net.weight.item() == pytest.approx(-3.0)  # mean of 1, 2, 6; the mean of means is 3.75


def test_clips_are_logged_before_and_after_and_the_step_is_the_clipped_one() -> None:
    net = linear(1.0, 2.0)
    x = torch.tensor([[3.0, 4.0]])
    batch = [Group((Micro(x, torch.zeros(1)),), torch.zeros(1))] * 2
    calls: list[int] = []
    optimizer = optim.SGD(net.parameters(), 0.5)
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    how = How(total, Penalties(clip_norm=1.0))
    first, _ = [done.scalars for done in walk(net, optimizer, batch, how)]
    assert first.grad_norm == pytest.approx(5)
    assert first.clipped_norm == pytest.approx(1, 1e-4)
    assert len(calls) == 2  # once a step
    moved = torch.tensor([[1.0, 2.0]]) - net.weight.detach()
    assert float(moved.norm()) == pytest.approx(2 * 0.5 * 1.0, rel=1e-4)
    how = How(total, Penalties(clip_norm=50.0))
    (free,) = [done.scalars for done in walk(net, optimizer, batch[:1], how)]
    assert free.clipped_norm is None


def test_with_a_loss_scaler_clips_see_the_true_gradient_and_overflow_is_skipped() -> None:
    net = linear(1.0, 2.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    optimizer = optim.SGD(net.parameters(), 0.5)
    good = Group((Micro(torch.tensor([[3.0, 4.0]]), torch.zeros(1)),), torch.zeros(1))
    bad = Group((Micro(torch.tensor([[3e38, 4.0]]), torch.zeros(1)),), torch.zeros(1))
    finished: list[int] = []
    how = How(total, Penalties(clip_norm=1.0), scaler=scaler, finished=lambda: finished.append(1))
    done = [d.scalars for d in walk(net, optimizer, [good, bad, good], how)]
    assert [d.skipped for d in done] == [None, 1.0, None]
    assert done[0].grad_norm == pytest.approx(5)
    assert len(finished) == 2
    moved = torch.tensor([[1.0, 2.0]]) - net.weight.detach()
    assert float(moved.norm()) == pytest.approx(1.0, rel=1e-4)


def test_a_gradient_that_is_not_finite_ends_it_without_its_step() -> None:
    net = linear(1.0)

    def root(out: Tensor, _: Tensor) -> Tensor:
        return out.clamp_min(0).sqrt().sum()  # at 0 the value is 0 and the slope infinite

    x = torch.zeros(1, 1)
    (done,) = walk(
        net, optim.SGD(net.parameters(), 1.0), [Group((Micro(x, x[0]),), x[0])] * 3, How(root)
    )
    assert not done.good
    assert done.scalars.loss == 0
    assert net.weight.item() == 1.0


def test_averages_after_three_steps_by_hand() -> None:
    net = linear(1.0)
    kept = Average(net, 0.5)
    expected, decays = 1.0, [1 / 10, 2 / 11, 3 / 12]
    for value, decay in zip((2.0, 4.0, 8.0), decays, strict=True):
        with torch.no_grad():
            net.weight.fill_(value)
        kept.update()
        expected = decay * expected + (1 - decay) * value
    assert kept.held["weight"].item() == pytest.approx(expected)
    with kept.swapped():
        assert net.weight.item() == pytest.approx(expected)
    assert net.weight.item() == 8.0


def test_averages_are_evaluated_beside_the_weights(tmp_path: Path) -> None:
    found = run(job(tmp_path, TrainChoices(batch=8, epochs=2, ema=0.9))).evaluations[-1]
    assert found.ema_loss is not None
    assert found.ema_loss != found.loss


def test_it_ends_early_and_ties_keep_the_earlier(tmp_path: Path) -> None:
    made = job(tmp_path, TrainChoices(batch=8, epochs=20, patience=2))
    made.optimizer.param_groups[0]["lr"] = 0.0
    found = run(made)
    assert len(found.evaluations) == 3
    assert found.best == found.evaluations[0]
    assert any("stopped early" in note for note in found.notes)


def test_clipping_on_every_step_is_told(tmp_path: Path) -> None:
    found = run(job(tmp_path, TrainChoices(batch=8, epochs=1, clip_norm=1e-3)))
    assert "clipped 7 of 7 steps; raise the limit or lower the rate" in found.notes
    kinds = [data["text"] for kind, data in read_events(tmp_path) if kind == "note"]
    assert kinds
    lines = read_run(tmp_path).metrics
    assert all(m.clipped_norm == pytest.approx(1e-3, rel=1e-3) for m in lines)
    assert all(m.accuracy is not None for m in lines)


def test_auxiliary_losses_are_weighed_and_hooks_see_the_net_as_ever() -> None:
    net = build("conv", depth=4, aux=True, in_channels=1, seed=0)
    assert has_heads(net)
    assert not has_heads(build("conv", depth=4, in_channels=1, seed=0))
    x, y = torch.randn(6, 1, 8, 8), torch.randint(10, (6,))
    twin = copy.deepcopy(net)
    forward_aux: Any = twin.forward_aux
    out = forward_aux(x)
    (F.cross_entropy(out.logits, y) + 0.3 * F.cross_entropy(out.aux["aux"], y)).backward()
    seen: list[Any] = []
    net.register_forward_hook(lambda _m, _i, o: seen.append(type(o)))
    optimizer = optim.SGD(net.parameters(), 0.0)
    with collected(net) as kept:

        def forward(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
            return net(x), kept.taken()

        how = How(F.cross_entropy, forward=forward, aux_weight=0.3)
        (done,) = walk(net, optimizer, [Group((Micro(x, y),), y)], how)
    assert seen == [Tensor]
    assert done.aux == pytest.approx(0.3 * F.cross_entropy(out.aux["aux"], y).item(), rel=1e-5)
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, atol=1e-6)
    assert "forward" not in vars(net)


def test_a_mixed_batch_is_the_sum_of_both_losses() -> None:
    g = torch.Generator().manual_seed(0)
    x, y, z = torch.randn(4, 3, generator=g), torch.tensor([0, 1, 2, 0]), torch.tensor([1, 1, 0, 2])
    net = nn.Linear(3, 3)
    micro = Micro(x, y, z, 0.7)
    (done,) = walk(
        net, optim.SGD(net.parameters(), 0.0), [Group((micro,), y)], How(F.cross_entropy)
    )
    out = net(x)
    expected = 0.7 * F.cross_entropy(out, y) + 0.3 * F.cross_entropy(out, z)
    assert done.scalars.loss == pytest.approx(expected.item(), rel=1e-6)


def test_auto_precision_is_decided_by_three_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    small = build("cifar_resnet20", classes=4, seed=0)
    batch = torch.randn(2, 3, 32, 32), torch.tensor([0, 1])
    before = {k: v.clone() for k, v in small.state_dict().items()}
    monkeypatch.setattr(precision, "has_bf16", lambda _: True)
    found = precision.resolve("auto", small, batch, F.cross_entropy)
    assert (found.word, found.large) == ("bf16", True)  # 41 million multiply-adds
    assert all(torch.equal(v, before[k]) for k, v in small.state_dict().items())
    tiny = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    assert precision.resolve("auto", tiny, batch, F.cross_entropy).word == "fp32"

    def never(out: Tensor, y: Tensor) -> Tensor:
        return out.sum() * float("inf")

    assert precision.resolve("auto", small, batch, never).word == "fp32"
    monkeypatch.setattr(precision, "has_bf16", lambda _: False)
    assert precision.resolve("auto", small, batch, F.cross_entropy).word == "fp32"
    with pytest.raises(RuntimeError, match="by emulation only"):
        precision.resolve("bf16", small, batch, F.cross_entropy)
    with pytest.raises(UsageError, match="did you mean fp32"):
        precision.resolve("fp3", small, batch, F.cross_entropy)
    with pytest.raises(UsageError, match="needs a GPU"):
        precision.resolve("fp16", small, batch, F.cross_entropy)


def test_bf16_computes_in_bf16_and_keeps_weights_in_fp32(tmp_path: Path) -> None:
    types: set[torch.dtype] = set()
    made = job(tmp_path, TrainChoices(batch=8, epochs=1, precision="bf16"))
    made.net[0].register_forward_hook(  # type: ignore[index]
        lambda m, _i, o: types.add(o.dtype) if m.training else None
    )
    run(made)
    assert types == {torch.bfloat16}
    assert {p.dtype for p in made.net.parameters()} == {torch.float32}


def test_a_feed_on_arrays_shifts_and_flips() -> None:
    data = Arrays("n", torch.randn(8, 1, 8, 8), torch.arange(8) % 2, 2, False)
    one = [m.x for g in Feed(data, Order(8, 4, 0), ("shift", "flip")).groups(0, 4) for m in g.micro]
    two = [m.x for g in Feed(data, Order(8, 4, 0), ("shift", "flip")).groups(0, 4) for m in g.micro]
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
