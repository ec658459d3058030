"""What monitors of training got wrong elsewhere must hold here, and each test must see the fault.

Every contract is a claim and a plant: the peer's bug, put into our own code for a moment. The
claim holds on the code as it is; with the plant it must fail, else it watches nothing.
"""

import copy
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from undertow.api.check import check
from undertow.core.errors import UsageError
from undertow.core.record import Record
from undertow.diagnosis.engine import diagnose
from undertow.instrument import calls, probe, reduce, sampling, steps, table, trace, units
from undertow.instrument.probe import Probe
from undertow.instrument.table import Origin
from undertow.instrument.watch import Watch
from undertow.preflight import case
from undertow.report import text

Patch = pytest.MonkeyPatch
X = torch.randn(32, 6, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()


def mlp(act: Callable[[], nn.Module] = nn.ReLU, *sizes: int) -> Any:
    """A seeded multilayer perceptron of six features and three classes."""
    wide = (6, *(sizes or (8, 8)))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        parts = [p for a, b in pairwise(wide) for p in (nn.Linear(a, b), act())]
        return nn.Sequential(*parts, nn.Linear(wide[-1], 3))


def watched(
    net: nn.Module,
    steps: int = 3,
    backward: Callable[[Tensor, torch.optim.Optimizer], None] | None = None,
    x: Tensor = X,
) -> Record:
    """A few steps of SGD under the watch."""
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.05), nn.CrossEntropyLoss()
    with Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = criterion(net(x), Y[: len(x)])
            if backward is None:
                loss.backward()
                optimizer.step()
            else:
                backward(loss, optimizer)
    return w.record


def column(record: Record, stat: str, at: int = 0) -> dict[str, float]:
    return record.profile(stat, record.snapshots[at], ("hidden", "head", "norm"))


@dataclass(frozen=True)
class Contract:
    """A claim, the fault that must break it, and where peers had it."""

    claim: Callable[[], None]
    plant: Callable[[Patch], None]
    source: str = ""


def in_place() -> None:
    """What is changed in place later is measured as it was when it was made."""

    class Adds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            wanted.append(y.detach().norm().item() / math.sqrt(y.numel()))
            y += 100.0
            out: Tensor = self.b(y)
            return out

    wanted: list[float] = []
    found = column(watched(Adds(), 1), "act_rms")["a"]
    assert found == pytest.approx(wanted[0], rel=1e-5)


def plant_in_place(patch: Patch) -> None:
    kept: list[Any] = []
    now = Probe._measure
    patch.setattr(Probe, "_measure", lambda *a: kept.append(a))
    patch.setattr(Probe, "ended", lambda self, out: [now(*a) for a in kept])


class Twice(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        out: Tensor = self.b(torch.relu(self.a(torch.relu(self.a(x)))))
        return out


def reused() -> None:
    """A module called twice has a row for each call."""
    assert [y.path for y in watched(Twice()).layers] == ["a", "a#2", "b"]


def plant_reused(patch: Patch) -> None:
    row = Probe._row
    patch.setattr(Probe, "_row", lambda self, c: row(self, trace.Call(*_first(c))))


def _first(c: trace.Call) -> Any:
    return c.module, c.path, 1, c.inputs, c.output, c.again


def frozen() -> None:
    """What has no gradient is not measured; it is never 0."""
    net = mlp()
    net[0].requires_grad_(False)
    record = watched(net)
    assert "0" not in column(record, "wgrad_l2")
    assert "0" in column(record, "act_rms")


def plant_frozen(patch: Patch) -> None:
    norm = table.Table._norm
    patch.setattr(table.Table, "_norm", lambda *a: norm(*a) or 0.0)


def unfrozen() -> None:
    """A layer that is thawed while it trains is measured from then on."""
    net, thaw = mlp(), []
    net[0].requires_grad_(False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    with Watch(net, optimizer=optimizer, loss=nn.CrossEntropyLoss(), judge=diagnose, every=1) as w:
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(X), Y).backward()
            optimizer.step()
            net[0].requires_grad_(True)
            thaw.append(net)
    assert "0" in column(w.record, "wgrad_l2", 2)


def plant_unfrozen(patch: Patch) -> None:
    first: list[Any] = []

    def after(self: Probe) -> None:
        if not first:
            first.extend(p for p in self.net.parameters() if p.requires_grad)
        self.take_gradients(first, [p.grad for p in first])

    patch.setattr(Probe, "_after_backward", after)


def origin(bad: float) -> Callable[[], None]:
    def claim() -> None:
        net = mlp()
        with torch.no_grad():
            net[2].bias[0] = bad
        seen = Probe(net)
        with seen.sampling():
            nn.functional.cross_entropy(net(X), Y).backward()
        seen.read(0)
        assert isinstance(seen.origin, Origin)
        assert seen.origin[:3] == ("2", "forward", "nan" if math.isnan(bad) else "inf")

    return claim


def plant_origin(patch: Patch) -> None:
    patch.setattr(reduce, "nonfinite", lambda v, total: torch.isnan(v[:0]).sum())


def parallel() -> None:
    """A data-parallel wrapper hides nothing."""
    assert watched(nn.DataParallel(mlp())).layers == watched(mlp()).layers


def plant_parallel(patch: Patch) -> None:
    patch.setattr(probe, "unwrapped", lambda net: net)


def accumulated() -> None:
    """Micro-batches of a step are averaged."""
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    with Watch(net, optimizer=optimizer, loss=nn.CrossEntropyLoss(), judge=diagnose) as w:
        for part in X[:16], 10 * X[16:]:
            (nn.functional.cross_entropy(net(part), Y[:16]) / 2).backward()
        optimizer.step()
    each = [net[1](net[0](part)).square().mean().sqrt().item() for part in (X[:16], 10 * X[16:])]
    assert column(w.record, "act_rms")["0"] == pytest.approx(sum(each) / 2, rel=1e-4)
    assert len(w.record.metrics) == 1


def plant_accumulated(patch: Patch) -> None:
    patch.setattr(table, "combined", lambda stat, values: values[-1] if values else None)


def two_optimisers() -> None:
    """Two optimisers that step one after the other make one step."""
    net = mlp()
    both = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (net[:2], net[2:])]
    with Watch(net, optimizer=both, loss=nn.CrossEntropyLoss(), judge=diagnose) as w:
        for _ in range(3):
            net.zero_grad()
            nn.functional.cross_entropy(net(X), Y).backward()
            for optimizer in both:
                optimizer.step()
    assert len(w.record.metrics) == 3


def plant_two_optimisers(patch: Patch) -> None:
    patch.setattr(steps.StepHooks, "_post", lambda self, *_: self._after(False))


def before_clipping() -> None:
    """The gradient norm is that of before any clipping."""
    norms: list[float] = []
    net = mlp()

    def clipped(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(net.parameters(), 1e-3).item())
        optimizer.step()

    assert watched(net, 1, clipped).metrics[0].grad_norm == pytest.approx(norms[0], rel=1e-5)


def plant_before_clipping(patch: Patch) -> None:
    plain = Probe.before_update

    def late(self: Probe) -> None:
        self._after_backward()
        plain(self)

    patch.setattr(Probe, "before_update", late)


def scaled(first: float) -> Callable[[], None]:
    """Gradients are those without a scaler; `first`: what the first loss is multiplied by."""

    def claim() -> None:
        scaler, factors = torch.amp.GradScaler("cpu"), [first]

        def step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
            scaler.scale(loss * (factors.pop() if factors else 1.0)).backward()
            scaler.step(optimizer)
            scaler.update()

        plain, amp = watched(mlp(), 8), watched(mlp(), 8, step)
        for stat in ("grad_l2", "wgrad_l2", "update_ratio", "nonfinite"):
            mine, other = column(plain, stat), column(amp, stat)
            assert mine == {p: pytest.approx(v, rel=1e-3) for p, v in other.items()}, stat
        assert amp.metrics[0].grad_norm == pytest.approx(plain.metrics[0].grad_norm, rel=1e-3)
        assert dict(amp.facts).get("origin") is None

    return claim


def plant_unscaled(patch: Patch) -> None:
    patch.setattr(sampling, "loss_scale_now", lambda: 1.0)


def plant_skipped(patch: Patch) -> None:
    patch.setattr(Probe, "_dropped", lambda self: False)


def no_hooks_left() -> None:
    """Hooks are gone after an exception of the user's, which passes."""
    net = mlp()
    with pytest.raises(RuntimeError), Watch(net, judge=diagnose):
        net(torch.zeros(2, 99))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def plant_hooks(patch: Patch) -> None:
    patch.setattr(trace.Tracer, "detach", lambda self: None)


def copies() -> None:
    """Copies and pickles made while it is watched report nothing."""
    net = mlp()
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.05), nn.CrossEntropyLoss()
    with Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose) as w:
        for other in copy.deepcopy(net), pickle.loads(pickle.dumps(net)):
            other(1e6 * X).sum().backward()
        optimizer.zero_grad()
        criterion(net(X), Y).backward()
        optimizer.step()
    assert column(w.record, "act_max") == column(watched(mlp(), 1), "act_max")


def plant_copies(patch: Patch) -> None:
    patch.setattr(trace.Hook, "__deepcopy__", lambda self, memo: self)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        out: Tensor = self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))
        return out


def tied() -> None:
    """A weight shared by two layers counts once in the gradient's norm."""
    again = Tied()
    seen = Probe(again)
    with seen.sampling():
        nn.functional.cross_entropy(again(X), Y).backward()
    seen.read(0)
    assert [y.path for y in seen.layers] == ["a", "b", "c"]
    true = math.hypot(*(p.grad.norm().item() for p in again.parameters() if p.grad is not None))
    assert seen.grad_norm == pytest.approx(true, rel=1e-5)


def plant_tied(patch: Patch) -> None:
    def after(self: Probe) -> None:
        each = [p for _, p in self.net.named_parameters(remove_duplicate=False)]
        grads = [p.grad for p in each if p.grad is not None]
        self._graded = table.Norms(list(range(len(grads))), reduce.l2_each(grads))

    patch.setattr(Probe, "_after_backward", after)


class Checked(nn.Module):
    """A part that is run again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp()

    def forward(self, x: Tensor) -> Tensor:
        """(N, 6) -> (N, 3)."""
        out: Tensor = checkpoint(self.body, x, use_reentrant=False)
        return out


def checkpointed() -> None:
    """A recomputed call is no second call."""
    record = watched(Checked())
    assert [y.path for y in record.layers] == ["body.0", "body.2", "body.4"]
    mine, plain = column(record, "grad_l2"), column(watched(mlp()), "grad_l2")
    assert list(mine.values()) == pytest.approx(list(plain.values()), rel=1e-4)


def plant_checkpointed(patch: Patch) -> None:
    patch.setattr(trace, "in_backward", lambda: False)


class Odd(nn.Module):
    """Outputs that are no floating numbers stand among those that are."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.a = nn.Embedding(9, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Numbers of words -> (N, 3)."""
        index = x.abs().long()[:, 0] % 9
        wave = torch.fft.fft(self.words(index))
        out: Tensor = self.a(wave.real + self.words(index))
        return out


def odd_inputs() -> None:
    """Integer and complex values inside a net disturb nothing."""
    record = watched(Odd())
    assert record.notes == ()
    assert "a" in column(record, "grad_l2")
    assert Probe(mlp()).notes == []
    assert calls.first_tensor([torch.ones(2).long(), torch.ones(2) * 1j, X]) is X


def plant_odd(patch: Patch) -> None:
    patch.setattr(calls, "first_tensor", lambda value: value[0])


def empty_batch() -> None:
    """A batch without samples is no measurement, and no fault of ours."""
    net = mlp()
    seen = Probe(net)
    with seen.sampling():
        net(X[:0]).sum().backward()
    assert seen.notes == []
    assert seen.read(0).column("act_rms") == ()


def plant_empty(patch: Patch) -> None:
    patch.setattr(trace, "first_tensor", lambda value: value)


def one_sample() -> None:
    """Batch norm refuses a single sample: that error is the user's own and passes."""
    net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    with pytest.raises(ValueError, match="Expected more than 1 value"):
        watched(net, x=X[:1])


def plant_one_sample(patch: Patch) -> None:
    leave = Watch.__exit__
    patch.setattr(Watch, "__exit__", lambda self, *a: (leave(self, *a), True)[1])


def nothing_to_train() -> None:
    """A net without trainable parameters is refused in words, not judged healthy."""
    net = mlp().requires_grad_(False)
    with pytest.raises(UsageError, match="no trainable parameters"):
        check(net, (X, Y))


def plant_nothing(patch: Patch) -> None:
    patch.setattr(case, "_trainable", lambda net: type(net).__name__)


def one_batch_of_a_generator() -> None:
    """Of a generator exactly one batch is taken."""

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(5):
            taken.append(1)
            yield X, Y

    taken: list[int] = []
    assert check(mlp(), batches(), probe_steps=2, counterfactuals=False) is not None
    assert len(taken) == 1


def plant_generator(patch: Patch) -> None:
    patch.setattr(case, "_one_batch", lambda data: ([*data][-1], True))


def deep_nets_fold() -> None:
    """A net of 200 layers is shown on one screen."""
    record = watched(mlp(nn.ReLU, *(8,) * 200), 1)
    from undertow.api.diagnose import report_of

    assert len(report_of(record).to_text().splitlines()) < 60


def plant_deep(patch: Patch) -> None:
    patch.setattr(text, "FOLD", 10**6)


def nested() -> None:
    """Two watches of one net see the same, and the end of an inner use ends no outer one."""
    net = mlp()
    optimizer, criterion = torch.optim.SGD(net.parameters(), lr=0.05), nn.CrossEntropyLoss()
    one = Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose)
    two = Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose)
    with one, two:
        with one:
            pass
        optimizer.zero_grad()
        criterion(net(X), Y).backward()
        optimizer.step()
    assert one.record.snapshots == two.record.snapshots == watched(mlp(), 1).snapshots
    assert len(one.record.metrics) == 1


def plant_nested(patch: Patch) -> None:
    enter = Watch.__enter__

    def again(self: Watch) -> Watch:
        self._depth = 0
        return enter(self)

    patch.setattr(Watch, "__enter__", again)


def dead_in_every_call() -> None:
    """A unit of a layer called twice is dead only if it is dead in both."""
    net = Twice()
    with torch.no_grad():
        net.a.weight.copy_(torch.eye(6))
        net.a.bias.copy_(torch.tensor([-9.0, *(0.0,) * 5]))
    seen = Probe(net)
    with seen.sampling():
        net.a.bias.data[0] = -9.0
        nn.functional.cross_entropy(net(X.abs() + 10 * (torch.arange(6) == 0)), Y).backward()
    seen.read(0)
    assert 0 not in seen.dead_units().get("a", ())


def plant_dead(patch: Patch) -> None:
    def see(self: units.DeadUnits, path: str, dead: Tensor) -> None:
        known = self._now.get(path)
        self._now[path] = dead if known is None else known | dead

    patch.setattr(units.DeadUnits, "see", see)


CONTRACTS = {
    "changes in place": Contract(in_place, plant_in_place, "captum 156"),
    "reused modules": Contract(reused, plant_reused, "captum 199, 578"),
    "frozen parameters": Contract(frozen, plant_frozen, "aim 1925"),
    "late unfreezing": Contract(unfrozen, plant_unfrozen, "wandb 1819"),
    "origin of a NaN": Contract(origin(math.nan), plant_origin, "pytorch 160016, wandb 800"),
    "origin of an Inf": Contract(origin(math.inf), plant_origin, "pytorch 160016, wandb 955"),
    "data parallel": Contract(parallel, plant_parallel, "wandb 1594, 1639, 2625"),
    "accumulation": Contract(accumulated, plant_accumulated, "lightning 1923, wandb 10100"),
    "several optimisers": Contract(two_optimisers, plant_two_optimisers, "lightning 1527"),
    "norm before clipping": Contract(before_clipping, plant_before_clipping, "lightning 12595"),
    "unscaled gradients": Contract(scaled(1.0), plant_unscaled, "lightning 16745"),
    "a skipped step": Contract(scaled(1e38), plant_skipped, "lightning 16745"),
    "hooks after an exception": Contract(no_hooks_left, plant_hooks),
    "copies while watched": Contract(copies, plant_copies),
    "tied weights": Contract(tied, plant_tied),
    "checkpointing": Contract(checkpointed, plant_checkpointed),
    "integer and complex values": Contract(odd_inputs, plant_odd),
    "an empty batch": Contract(empty_batch, plant_empty),
    "batch of one with a norm": Contract(one_sample, plant_one_sample),
    "nothing trainable": Contract(nothing_to_train, plant_nothing),
    "generators": Contract(one_batch_of_a_generator, plant_generator, "keras 7057"),
    "two hundred layers": Contract(deep_nets_fold, plant_deep, "wandb 1537"),
    "nested watches": Contract(nested, plant_nested),
    "dead in every call": Contract(dead_in_every_call, plant_dead),
}


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    from torch.overrides import _get_current_function_mode_stack as stack
    from torch.overrides import _pop_mode

    while stack():  # a planted fault may leave one behind
        _pop_mode()


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_claim_holds(name: str) -> None:
    CONTRACTS[name].claim()


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_planted_fault_is_seen(name: str, monkeypatch: Patch) -> None:
    contract = CONTRACTS[name]
    contract.plant(monkeypatch)
    with pytest.raises(
        (AssertionError, pytest.fail.Exception, ValueError, TypeError, RuntimeError)
    ):
        contract.claim()


# The same verdict, however the net is run


def sick() -> Any:
    """Twelve sigmoid layers under Xavier: the gradient vanishes."""
    net = mlp(nn.Sigmoid, *(8,) * 12)
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return net


def verdict(record: Record) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    found = diagnose(record)
    return found.mechanism, [
        (s.id, tuple(p.split(".")[-1] for p in s.layers)) for s in found.symptoms
    ]


@pytest.mark.parametrize("how", ["autocast", "scaler", "float64", "checkpoint", "parallel"])
def test_a_sick_net_gets_the_eager_verdict(how: str) -> None:
    torch.manual_seed(0)
    plain = watched(sick(), 101)
    assert verdict(plain)[0] == "vanishing"
    torch.manual_seed(0)
    scaler = torch.amp.GradScaler("cpu", enabled=how == "scaler")

    def step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    net = sick()
    if how == "checkpoint":
        own, net = net, Checked()
        net.body = own
    net = nn.DataParallel(net) if how == "parallel" else net.double() if how == "float64" else net
    low = torch.autocast("cpu", dtype=torch.bfloat16) if how == "autocast" else nullcontext()
    with low:
        record = watched(net, 101, step, X.double() if how == "float64" else X)
    mine, same = verdict(record), verdict(plain)
    assert mine[0] == same[0]
    assert ("UT101" in dict(mine[1])) == ("UT101" in dict(same[1]))
    if how in ("scaler", "checkpoint", "parallel"):
        assert mine == same


def pictures(order: torch.memory_format) -> Record:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten())
    net.append(nn.Linear(128, 3))
    x = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return watched(net.to(memory_format=order), 1, x=x.to(memory_format=order))  # type: ignore[call-overload]


def test_channels_last_gives_the_same_numbers() -> None:
    plain, last = pictures(torch.contiguous_format), pictures(torch.channels_last)
    for stat in ("act_rms", "spread", "dead", "grad_l2", "wgrad_l2", "update_ratio"):
        wanted = {p: pytest.approx(v, rel=1e-4) for p, v in column(plain, stat).items()}
        assert column(last, stat) == wanted


def compiled(how: str, net: Any) -> Any:
    if how == "in place":
        net.compile(backend="aot_eager")
        return net
    if how == "a part":
        net[2] = torch.compile(net[2], backend="aot_eager")
        return net
    return torch.compile(net, backend="aot_eager")


def with_state() -> Any:
    torch.manual_seed(1)
    body = [nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*body, nn.Linear(8, 3))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["wrapped", "in place", "a part"])
def test_a_compiled_net_is_measured_beside_itself(how: str) -> None:
    def trained(watch_it: bool) -> tuple[dict[str, Tensor], Record | None]:
        torch._dynamo.reset()
        own = with_state()
        net = compiled(how, own)
        optimizer, criterion = torch.optim.SGD(own.parameters(), lr=0.05), nn.CrossEntropyLoss()
        seen = Watch(net, optimizer=optimizer, loss=criterion, judge=diagnose)
        torch.manual_seed(2)
        with seen if watch_it else nullcontext():
            for _ in range(6):
                optimizer.zero_grad()
                criterion(net(X), Y).backward()
                optimizer.step()
        return own.state_dict(), seen.record if watch_it else None

    bare, (state, record) = trained(False)[0], trained(True)
    assert record is not None
    assert all(torch.equal(a, b) for a, b in zip(bare.values(), state.values(), strict=True))
    torch.manual_seed(2)
    eager = watched_from(with_state())
    assert record.notes == ()
    assert [s.step for s in record.snapshots] == [0, 1, 2, 4]
    for stat in ("act_rms", "grad_l2", "wgrad_l2", "update_ratio"):
        found = list(column(record, stat).values())
        assert found == pytest.approx(list(column(eager, stat).values()), rel=1e-4), stat


def watched_from(net: nn.Module) -> Record:
    torch.manual_seed(2)
    return watched(net, 6)


@pytest.mark.filterwarnings("ignore")
def test_without_the_twin_a_compiled_net_would_show_nothing(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sampling, "is_compiled", lambda net: False)
    torch._dynamo.reset()
    record = watched(compiled("wrapped", with_state()), 3)
    assert record.layers == ()
    assert any("not measured" in note for note in record.notes)
