"""The probe against its float64 twin, and the traps of hooking (each from a peer's bug)."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from undertow.core.record import Layer, Snapshot
from undertow.core.stats import COLUMNS
from undertow.instrument.probe import Origin, Probe, rows_of

from .oracle import close, conv, mlp, twin

ACTS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu in place": lambda: nn.ReLU(inplace=True),
    "leaky": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def data(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def built(make: Callable[[], nn.Module], seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def run(
    net: nn.Module, x: Tensor, loss: Callable[[Any], Tensor] = lambda out: out.square().sum()
) -> Probe:
    probe = Probe(net)
    with probe.sampling():
        loss(net(x)).backward()  # type: ignore[no-untyped-call]
    return probe


def table(probe: Probe, snap: Snapshot | None = None) -> dict[str, dict[str, float | None]]:
    snap = snap or probe.read(0)
    columns = {s: snap.column(s) or (None,) * len(probe.layers) for s in COLUMNS}
    return {y.path: {s: columns[s][i] for s in COLUMNS} for i, y in enumerate(probe.layers)}


def hooks_on(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("kind", ["mlp", "conv", "normed conv"])
def test_every_statistic_equals_its_float64_twin(act: str, kind: str) -> None:
    if kind == "mlp":
        net, x = built(lambda: mlp((9, 12, 7, 5, 3), ACTS[act])), data(20, 9)
    else:
        net, x = built(lambda: conv(3, ACTS[act], norm="normed" in kind)), data(11, 1, 6, 6)
    with torch.no_grad():
        layers = [m for m in net if isinstance(m, nn.Linear | nn.Conv2d)]
        layers[1].bias[1] = -30.0  # a dead unit
    wanted = twin(net, x, lambda out: out.square().sum())
    found = table(run(net, x))
    weights = [p for p, y in found.items() if y["act_rms"] is not None]
    assert weights == list(wanted)
    for path, row in wanted.items():
        for stat, value in row.items():
            low = 1e-6 * (row["act_rms"] or 0.0) if stat == "act_mean" else 1e-9
            assert close(found[path][stat], value, low=low), (path, stat, found[path][stat], value)
        assert found[path]["update_ratio"] is None


@pytest.mark.parametrize("gain", [1e-9, 1e-3, 1e3, 1e7])
def test_vanishing_and_exploding_scales_are_right(gain: float) -> None:
    """Ten layers of gain 1e-9 end at 1e-90: exactly 0 only below the range of float32."""
    net = built(lambda: mlp((6, 6, 6, 6, 6), nn.Tanh if gain > 1 else nn.Identity))
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(gain if p.ndim > 1 else 0.0)
    wanted = twin(net, data(8, 6), lambda out: out.mean())
    found = table(run(net, data(8, 6), lambda out: out.mean()))
    for path, row in wanted.items():
        for stat in ("act_rms", "grad_l2", "wgrad_l2", "weight_l2", "grad_max"):
            value = row[stat]
            assert value is not None
            if value > 1e-37 or value == 0:  # above the denormals of float32
                assert close(found[path][stat], value, rel=1e-4, low=0.0), (path, stat)


def test_rows_name_layer_activation_norm_and_role() -> None:
    net = built(lambda: conv(2, nn.ReLU, norm=True))
    layers = run(net, data(4, 1, 6, 6)).layers
    assert [(y.path, y.kind, y.act, y.role, y.norm, y.act_path) for y in layers] == [
        ("0", "Conv2d", "relu", "hidden", "batch", "2"),
        ("1", "BatchNorm2d", "", "norm", "", ""),
        ("3", "Conv2d", "relu", "hidden", "batch", "5"),
        ("4", "BatchNorm2d", "", "norm", "", ""),
        ("7", "Linear", "", "head", "", ""),
    ]
    first, head = layers[0], layers[-1]
    assert (first.units, first.fan_in, first.fan_out) == (5, 9, 45)
    assert (head.units, head.fan_in, head.fan_out, head.order) == (4, 180, 4, 4)
    assert first.weight_std == pytest.approx(net[0].weight.std(correction=0).item(), rel=1e-5)
    assert first.bias_mean == pytest.approx(net[0].bias.mean().item(), rel=1e-5)
    assert first.bias_std == pytest.approx(net[0].bias.std(correction=0).item(), rel=1e-5)


def test_start_facts_are_those_of_the_start() -> None:
    net = built(lambda: mlp((4, 4, 2), nn.ReLU))
    probe = run(net, data(3, 4))
    before = net[0].weight.std(correction=0).item()
    with torch.no_grad():
        net[0].weight.mul_(10)
    with probe.sampling():
        net(data(3, 4)).sum().backward()
    assert probe.layers[0].weight_std == pytest.approx(before, rel=1e-5)


def test_update_ratio_is_that_of_the_true_update() -> None:
    net = built(lambda: mlp((5, 6, 2), nn.Tanh))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    probe = run(net, data(7, 5))
    probe.before_update()
    old = [net[0].weight.detach().double().clone(), net[2].weight.detach().double().clone()]
    optimizer.step()
    found = probe.read(0).column("update_ratio")
    for value, was, layer in zip(found, old, (net[0], net[2]), strict=True):
        wanted = (layer.weight.detach().double() - was).norm() / was.norm()
        assert close(value, wanted.item())


def test_an_optimizer_given_copies_the_weights_by_itself() -> None:
    net = built(lambda: mlp((5, 6, 2), nn.Tanh))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    probe = Probe(net, optimizer=optimizer)
    with probe.sampling():
        net(data(7, 5)).sum().backward()
        optimizer.step()
    snap = probe.read(0)
    for ratio, rel in zip(snap.column("update_ratio"), snap.column("rel_grad"), strict=True):
        assert ratio is not None
        assert rel is not None
        assert ratio == pytest.approx(0.1 * rel, rel=1e-4)
    assert not optimizer._optimizer_step_pre_hooks


def test_weight_gradients_are_read_before_clipping() -> None:
    net = built(lambda: mlp((5, 6, 2), nn.Tanh))
    twin_net = copy.deepcopy(net)
    twin_net(data(7, 5)).sum().backward()
    wanted = math.sqrt(sum(p.grad.square().sum().item() for p in twin_net.parameters()))
    probe = run(net, data(7, 5), lambda out: out.sum())
    nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
    probe.before_update()
    probe.read(0)
    assert probe.grad_norm == pytest.approx(wanted, rel=1e-5)


def test_the_loss_scale_is_divided_out() -> None:
    net = built(lambda: mlp((5, 6, 2), nn.Tanh))
    plain = table(run(copy.deepcopy(net), data(7, 5), lambda out: out.sum()))
    probe = run(net, data(7, 5), lambda out: out.sum() * 65536.0)
    scaled = table(probe, probe.read(0, scale=65536.0))
    for path, row in plain.items():
        assert all(close(scaled[path][s], v, rel=1e-5) for s, v in row.items()), path


# Traps


class Functional(nn.Module):
    """Activations as functions, a layer called twice, an output in a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 7), nn.Linear(7, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> dict[str, Any]:
        """(N, 5) -> {"count": int, "logits": (N, 3)}."""
        x = F.relu(self.a(x))
        x = torch.tanh(self.b(x))
        x = self.b(x).sigmoid_()
        return {"count": torch.tensor([1, 2]), "logits": self.c(x).clamp(min=0)}


def test_functional_activations_and_a_reused_layer() -> None:
    net = built(Functional)
    probe = Probe(net)
    x = data(6, 5)
    for step in range(2):  # the second pass knows that activations follow
        with probe.sampling():
            net(x)["logits"].sum().backward()
        found = table(probe, probe.read(step))
        acts = [(y.path, y.act, y.act_path, y.role) for y in probe.layers]
        assert acts == [
            ("a", "relu", "a:relu", "hidden"),
            ("b", "tanh", "b:tanh", "hidden"),
            ("b#2", "sigmoid", "b#2:sigmoid", "hidden"),
            ("c", "relu", "c:relu", "head"),
        ]
        h = torch.relu(net.a(x))
        first = torch.tanh(net.b(h))
        second = torch.sigmoid(net.b(first))
        for path, v in {"a": h, "b": first, "b#2": second}.items():
            wanted = v.detach().double().square().mean().sqrt().item()
            assert close(found[path]["act_rms"], wanted), path
            assert found[path]["grad_l2"] is not None
        assert found["b"]["wgrad_l2"] == found["b#2"]["wgrad_l2"]


def test_a_unit_is_dead_if_dead_in_every_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.a(torch.relu(self.a(x)) * 0 + 1))

    net = built(Twice)
    with torch.no_grad():
        net.a.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, -1.0]]))
        net.a.bias.copy_(torch.tensor([-0.5, -0.5]))
    probe = run(net, -torch.ones(3, 2))  # first call: unit 0 dead, second call: unit 1 dead
    assert table(probe)["a"]["dead"] == 0.0
    assert probe.dead_units() == {}


def test_what_is_changed_in_place_later_is_measured_as_it_was() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            y += 100.0
            return self.b(y)

    net = built(Residual)
    x = data(9, 4)
    found = table(run(net, x))
    wanted = net.a(x).detach()
    assert close(found["a"]["act_rms"], wanted.double().square().mean().sqrt().item())


@pytest.mark.parametrize("part", ["frozen weight", "frozen layer", "unused layer"])
def test_what_has_no_gradient_is_not_measured(part: str) -> None:
    net = built(lambda: mlp((4, 5, 5, 2), nn.ReLU))
    if part == "unused layer":
        net.register_module("extra", nn.Identity())
        net.extra.add_module("never", nn.Linear(3, 3))
    elif part == "frozen layer":
        net[0].requires_grad_(False)
    else:
        net[2].weight.requires_grad_(False)
    probe = run(net, data(6, 4))
    probe.before_update()
    found = table(probe)
    assert "extra.never" not in found
    if part == "frozen layer":
        assert found["0"]["grad_l2"] is None
        assert found["0"]["wgrad_l2"] is None
        assert found["0"]["update_ratio"] is None
        assert found["0"]["act_rms"] is not None
    if part == "frozen weight":
        assert found["2"]["grad_l2"] is not None
        assert found["2"]["rel_grad"] is None
    assert found["4"]["wgrad_l2"] is not None


def test_a_late_unfreezing_is_measured() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    net[0].requires_grad_(False)
    probe = run(net, data(6, 4))
    net[0].requires_grad_(True)
    with probe.sampling():
        net(data(6, 4)).sum().backward()
    assert table(probe, probe.read(1))["0"]["wgrad_l2"] is not None


def test_recurrent_layers_and_packed_sequences() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(3, 6), nn.Linear(6, 2)

        def forward(self, x: Any) -> Tensor:
            out, _ = self.rnn(x)
            return self.head(out if isinstance(out, Tensor) else out.data)

    net = built(Recurrent)
    x = data(5, 4, 3)  # (time, samples, features)
    found = table(run(net, x))
    out = net.rnn(x)[0].detach().double()
    assert close(found["rnn"]["act_rms"], out.square().mean().sqrt().item())
    spread = (out - out.mean(1, keepdim=True)).norm() / out.norm()
    assert close(found["rnn"]["spread"], spread.item())
    assert found["rnn"]["wgrad_l2"] is not None
    packed = nn.utils.rnn.pack_sequence([x[:, 0], x[:3, 1]])
    probe = Probe(net)
    with probe.sampling():
        net(packed).sum().backward()
    assert table(probe)["rnn"]["grad_l2"] is not None
    assert not probe.notes


def test_a_transformer_block_is_measured() -> None:
    net = built(lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True))
    probe = run(net, data(3, 5, 8))
    rows = {y.path: y for y in probe.layers}
    assert rows["linear1"].act == "relu"
    assert rows["self_attn"].kind == "MultiheadAttention"
    assert rows["linear1"].units == 16
    assert table(probe)["self_attn"]["grad_l2"] is not None
    assert not probe.notes


@dataclass
class Answer:
    """An output as libraries wrap it."""

    mask: Tensor
    logits: Tensor


@pytest.mark.parametrize("kind", ["complex", "integer", "dataclass", "empty", "none"])
def test_outputs_that_are_no_plain_tensor(kind: str) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))

        def forward(self, x: Tensor) -> Any:
            y = x @ self.weight
            return {
                "complex": torch.complex(y, y),
                "integer": y.long(),
                "dataclass": Answer(y > 0, y),
                "empty": y[:0],
                "none": None,
            }[kind]

    net = built(lambda: nn.Sequential(nn.Linear(2, 2), Odd()))
    probe = Probe(net)
    with probe.sampling():
        out = net(data(3, 2))
        if isinstance(out, Answer):
            out.logits.sum().backward()
    rows = [y.path for y in probe.layers]
    assert rows == (["0", "1"] if kind == "dataclass" else ["0"])
    probe.read(0)
    assert not probe.notes


def test_unbatched_and_single_samples_have_no_spread() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    assert table(run(net, data(1, 4)))["0"]["spread"] is None
    assert table(run(net, data(4)))["0"]["spread"] is None
    picture = built(lambda: nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()))
    row = table(run(picture, data(1, 6, 6)))["0"]
    assert row["spread"] is None
    assert row["act_rms"] is not None


@pytest.mark.parametrize("reentrant", [False, True])
def test_activation_checkpointing_counts_each_call_once(reentrant: bool) -> None:
    class Checked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = mlp((4, 5, 5), nn.Tanh).append(nn.Tanh()), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(checkpoint(self.a, x, use_reentrant=reentrant))

    net = built(Checked)
    x = data(6, 4).requires_grad_()
    probe = run(net, x)
    plain = copy.deepcopy(net)
    rebuilt = nn.Sequential(*plain.a, plain.b)
    wanted = twin(rebuilt, x.detach(), lambda out: out.square().sum())
    found = table(probe)
    assert list(found) == ["a.0", "a.2", "b"]
    for path, row in zip(found, wanted.values(), strict=True):
        for stat in ("act_rms", "grad_l2", "wgrad_l2", "spread"):
            assert close(found[path][stat], row[stat]), (path, stat)


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_recomputed_call_is_not_measured_again(reentrant: bool) -> None:
    class Checked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(checkpoint(self.a, x, use_reentrant=reentrant))

    net = built(Checked)
    with torch.no_grad():
        net.a.bias[0] = math.inf
    found = table(run(net, data(6, 4).requires_grad_(), lambda out: out[:, 0].sum() * 0.0))
    bad = net.a(data(6, 4)).isfinite().logical_not().sum().item()
    assert found["a"]["nonfinite"] == bad == 6


def test_micro_batches_are_averaged() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    parts = data(6, 4), data(6, 4, seed=1)
    alone = [table(run(copy.deepcopy(net), x)) for x in parts]
    probe = Probe(net)
    with probe.sampling():
        for x in parts:
            net(x).square().sum().backward()
    both = table(probe)
    assert list(both) == ["0", "2"]
    for path in both:
        pairs = [(t[path]["act_rms"] or 0.0, t[path]["act_max"] or 0.0) for t in alone]
        assert close(both[path]["act_rms"], sum(r for r, _ in pairs) / 2)
        assert close(both[path]["act_max"], max(m for _, m in pairs))
    whole = math.hypot(*(p.grad.norm().item() for p in net.parameters()))
    assert probe.grad_norm == pytest.approx(whole, rel=1e-5)


def test_passes_without_gradient_are_not_the_training() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    probe = Probe(net)
    with probe.sampling():
        with torch.no_grad():
            net(data(50, 4) * math.nan)
        net(data(6, 4)).sum().backward()
    alone = table(run(copy.deepcopy(net), data(6, 4), lambda out: out.sum()))
    assert table(probe)["0"]["act_rms"] == alone["0"]["act_rms"]
    assert probe.origin is None


def test_custom_activation_modules() -> None:
    class Relu(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(x)

    class Swish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x)

    net = built(
        lambda: nn.Sequential(nn.Linear(4, 4), Relu(), nn.Linear(4, 4), Swish(), nn.Linear(4, 1))
    )
    probe = Probe(net)
    x = data(8, 4)
    for step in range(2):
        with probe.sampling():
            net(x).sum().backward()
        found = table(probe, probe.read(step))
    assert [(y.act, y.act_path) for y in probe.layers] == [("relu", "1"), ("", "3"), ("", "")]
    wanted = net[:4](x).detach().double().square().mean().sqrt().item()
    assert close(found["2"]["act_rms"], wanted)


def test_parametrised_and_transposed_layers() -> None:
    def make() -> nn.Module:
        spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
        return nn.Sequential(
            spectral, nn.ReLU(), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 3, 2)
        )

    net = built(make)
    probe = run(net, data(5, 6))
    assert [(y.path, y.kind, y.fan_in, y.fan_out) for y in probe.layers] == [
        ("0", "ParametrizedLinear", 6, 8),
        ("3", "ConvTranspose2d", 8, 12),
    ]
    assert table(probe)["0"]["wgrad_l2"] is not None


# Non-finite values


def layer(path: str, rows: tuple[Layer, ...]) -> int:
    return next(i for i, y in enumerate(rows) if y.path == path)


@pytest.mark.parametrize(("bad", "kind"), [(math.nan, "nan"), (math.inf, "inf")])
def test_the_origin_of_a_forward_fault(bad: float, kind: str) -> None:
    net = built(lambda: mlp((4, 5, 5, 2), nn.Tanh if kind == "nan" else nn.Identity))
    with torch.no_grad():
        net[2].bias[0] = bad
    probe = run(net, data(6, 4))
    found = table(probe)
    largest = found["0"]["act_max"]
    assert probe.origin == Origin("2", "forward", kind, largest)  # type: ignore[arg-type]
    count = found["2"]["nonfinite"]
    assert count is not None
    assert count >= 6
    assert not probe.notes


def test_the_origin_of_a_backward_fault_and_of_bad_data() -> None:
    class Root(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * 0).sqrt() + x  # finite, with a slope of inf · 0 = nan

    net = built(lambda: nn.Sequential(nn.Linear(4, 5), Root(), nn.Linear(5, 2)))
    probe = run(net, data(6, 4))
    probe.read(0)
    assert probe.origin is not None
    assert probe.origin[:3] == ("0", "backward", "nan")
    bad = data(6, 4)
    bad[0, 0] = math.nan
    probe = run(built(lambda: mlp((4, 5, 2), nn.ReLU)), bad)
    probe.read(0)
    assert probe.origin == Origin("input", "forward", "nan", 0.0)


def test_dead_units_must_be_dead_in_the_last_three_rows() -> None:
    net = built(lambda: mlp((3, 6, 2), nn.ReLU))
    probe = Probe(net)
    with torch.no_grad():
        net[0].bias.fill_(100.0)
    shares, named = [], []
    for step, bias in enumerate([-100.0, 100.0, -100.0, -100.0, -100.0]):
        with torch.no_grad():
            net[0].bias[2] = bias
        with probe.sampling():
            net(data(8, 3)).sum().backward()
        shares.append(probe.read(step).column("dead")[0])
        named.append(probe.dead_units())
    assert shares == [0.166667, 0.0, 0.0, 0.0, 0.166667]
    assert named == [{"0": (2,)}, {}, {}, {}, {"0": (2,)}]


# The net is left as it was


def test_the_pass_is_bit_identical_and_hooks_are_gone() -> None:
    def passes(probed: bool) -> dict[str, Tensor]:
        net = built(
            lambda: conv(2, lambda: nn.ReLU(inplace=True), norm=True).append(nn.Dropout(0.3))
        )
        optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
        probe = Probe(net)
        torch.manual_seed(3)
        for step in range(4):
            optimizer.zero_grad()
            if probed:
                with probe.sampling():
                    net(data(8, 1, 6, 6, seed=step)).square().sum().backward()
                probe.before_update()
            else:
                net(data(8, 1, 6, 6, seed=step)).square().sum().backward()
            optimizer.step()
            if probed:
                probe.read(step)
        assert hooks_on(net) == 0
        return {**net.state_dict(), **{f"{k}.grad": p.grad for k, p in net.named_parameters()}}

    with torch.random.fork_rng():
        bare, watched = passes(False), passes(True)
    assert all(torch.equal(bare[k], watched[k]) for k in bare)


def test_hooks_are_gone_after_an_exception_and_the_next_pass_works() -> None:
    net = built(Functional)
    probe = Probe(net)
    with pytest.raises(RuntimeError, match="mat1"), probe.sampling():
        net(data(3, 99))
    assert hooks_on(net) == 0
    assert torch.overrides._len_torch_function_stack() == 0
    with probe.sampling():
        net(data(3, 5))["logits"].sum().backward()
    assert [y.path for y in probe.layers] == ["a", "b", "b#2", "c"]


def test_two_probes_and_a_second_attach() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    one, two = Probe(net), Probe(net)
    with one.sampling(), two.sampling():
        one.attach()
        net(data(6, 4)).sum().backward()
    assert one.read(0) == two.read(0)
    assert hooks_on(net) == 0


def test_a_copy_or_pickle_made_while_sampling_carries_no_hook() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    probe = Probe(net)
    with probe.sampling():
        copied = copy.deepcopy(net)
        thawed = pickle.loads(pickle.dumps(net))
        copied(data(6, 4) * 1e6)
        thawed(data(6, 4) * 1e6)
        assert not probe.measured
        net(data(6, 4)).sum().backward()
    assert probe.measured


def test_a_fault_of_ours_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("undertow.instrument.probe.measure_forward", fail)
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    probe = run(net, data(6, 4))
    assert "not measured: 0: ValueError: broken" in probe.notes
    assert net[0].weight.grad is not None


def test_gradients_after_detach_are_not_taken() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    probe = Probe(net)
    with probe.sampling():
        loss = net(data(6, 4)).sum()
    loss.backward()
    assert table(probe)["0"]["grad_l2"] is None


def test_nothing_to_measure() -> None:
    probe = Probe(nn.Identity())
    with probe.sampling():
        probe.net(data(2, 2))
    assert probe.read(4) == Snapshot(4, ())
    assert probe.layers == ()
    assert probe.grad_norm is None


def test_rows_of_leaves_the_net_alone() -> None:
    net = built(lambda: conv(2, nn.ReLU, norm=True))
    before = copy.deepcopy(net.state_dict())
    rows = rows_of(net, torch.zeros(2, 1, 6, 6))
    assert [y.path for y in rows] == ["0", "1", "3", "4", "7"]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net.training


def test_wrappers_are_looked_through() -> None:
    net = built(lambda: mlp((4, 5, 2), nn.ReLU))
    probe = run(nn.DataParallel(net), data(6, 4))
    assert [y.path for y in probe.layers] == ["0", "2"]
    probe.read(0)
    assert probe.measured
