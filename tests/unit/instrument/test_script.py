"""Scripts run unchanged: nets found, step 0 seen, losses told, ends handed back."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import optimizer as hooks
from torch.overrides import _get_current_function_mode_stack

from undertow.core.errors import UsageError
from undertow.diagnosis.engine import diagnose
from undertow.instrument.finder import MOST, owners
from undertow.instrument.script import NEVER, Script, run_script
from undertow.record.store import read_run

START = """
import sys, torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0)
X = torch.randn(96, 6); Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
"""
LOOP = """
for step in range(12):
    i = torch.arange(8 * step, 8 * step + 8)
    loss = F.cross_entropy(net(X[i]), Y[i])
    opt.zero_grad(); loss.backward(); opt.step()
"""
PLAIN = "net = mlp(); opt = torch.optim.SGD(net.parameters(), lr=0.1)" + LOOP


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    kept = sys.argv[:], sys.path[:], sys.modules["__main__"], sys.excepthook
    plain = wrapped()
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
    sys.argv[:], sys.path[:], sys.modules["__main__"], sys.excepthook = kept
    assert wrapped() == plain
    assert not hooks._global_optimizer_pre_hooks
    assert not _get_current_function_mode_stack()


def wrapped() -> tuple[object, ...]:
    made = torch.optim.Optimizer.__init__
    return torch.compile, torch.autograd.backward, nn.Module.compile, made


def ran(tmp_path: Path, text: str, *arguments: str) -> Script:
    path = tmp_path / "train.py"
    path.write_text(START + text)
    return run_script(path, arguments, folder=tmp_path / "run", judge=diagnose)


def paths(script: Script) -> list[list[str]]:
    return [[y.path for y in net.record.layers] for net in script.nets]


def test_a_plain_script_is_watched_from_its_first_step(tmp_path: Path) -> None:
    done = ran(tmp_path, PLAIN)
    (net,) = done.nets
    record = net.record
    assert done.error is None
    assert done.notes == ()
    assert [s.step for s in record.snapshots] == [0, 1, 2, 4, 8]
    assert all(m.loss is not None for m in record.metrics)
    assert len(record.metrics) == 12
    assert record.loss == "cross-entropy"
    assert record.const_loss is not None
    assert record.optimizer.name == "sgd"
    assert [y.act for y in record.layers] == ["relu", "relu", ""]
    assert read_run(tmp_path / "run") == record


def test_weights_are_bit_identical_and_losses_the_true_ones(tmp_path: Path) -> None:
    keep = "\nimport builtins; builtins.kept = net.state_dict()"
    losses = PLAIN.replace("opt.step()", "opt.step(); seen.append(loss.item())")
    text = "seen = []\n" + losses + keep + "; builtins.losses = seen"
    import builtins

    exec(compile(START + text, "bare", "exec"), {"__name__": "bare"})
    bare, told = builtins.kept, builtins.losses  # type: ignore[attr-defined]
    done = ran(tmp_path, text)
    seen = builtins.kept  # type: ignore[attr-defined]
    del builtins.kept, builtins.losses  # type: ignore[attr-defined]
    assert all(torch.equal(bare[k], seen[k]) for k in bare)
    assert [m.loss for m in done.nets[0].record.metrics] == pytest.approx(told, rel=1e-5)


def test_functional_activations_of_the_first_step_are_seen(tmp_path: Path) -> None:
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3)
    def forward(self, x):
        return self.b(torch.sigmoid(self.a(x)))
net = Net(); opt = torch.optim.Adam(net.parameters())
"""
    record = ran(tmp_path, text + LOOP).nets[0].record
    assert [y.act for y in record.layers] == ["sigmoid", ""]
    assert record.snapshots[0].column("saturated")[0] is not None


@pytest.mark.parametrize("line", ["(loss / 4).backward()", "(loss * 0.5).backward()"])
def test_a_share_of_the_loss_is_told_as_the_whole(line: str, tmp_path: Path) -> None:
    still = PLAIN.replace("lr=0.1", "lr=0.0")
    whole = ran(tmp_path, still).nets[0].record
    shutil.rmtree(tmp_path / "run")
    share = ran(tmp_path, still.replace("loss.backward()", line)).nets[0].record
    assert share.const_loss == whole.const_loss
    for a, b in zip(whole.metrics, share.metrics, strict=True):  # sampled steps and others
        assert a.loss == pytest.approx(b.loss, rel=1e-5)


def test_a_loss_scaler_is_divided_out(tmp_path: Path) -> None:
    text = PLAIN.replace("loss.backward()", "scaler.scale(loss).backward()")
    text = text.replace("opt.step()", "scaler.step(opt); scaler.update()")
    done = ran(
        tmp_path,
        'scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=1)\n' + text,
    )
    losses = [m.loss for m in done.nets[0].record.metrics]
    assert all(x is not None and x < 3 for x in losses)


def test_a_loss_of_several_parts_is_judged_by_trend(tmp_path: Path) -> None:
    text = PLAIN.replace("Y[i])", "Y[i]) + 0.1 * F.mse_loss(net(X[i])[:, 0], X[i, 0])")
    record = ran(tmp_path, text).nets[0].record
    assert record.const_loss is None
    assert any("judged by trend" in note for note in record.notes)
    assert all(m.loss is not None for m in record.metrics)


def test_our_own_search_for_the_constant_answer_is_no_optimiser_of_the_script(
    tmp_path: Path,
) -> None:
    """It was told of as an LBFGS that trains tensors of no module, and its steps counted."""
    done = ran(tmp_path, PLAIN.replace("Y[i])", "Y[i], label_smoothing=0.1)"))
    assert done.nets[0].record.const_loss is not None
    assert not done.notes


def test_a_container_gives_way_to_the_part_that_is_called(tmp_path: Path) -> None:
    text = """
class Lit(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.loss = mlp(), nn.CrossEntropyLoss()
    def training_step(self, x, y):
        return self.loss(self.net(x), y)
lit = Lit(); opt = torch.optim.SGD(lit.parameters(), lr=0.1)
for step in range(3):
    opt.zero_grad(); lit.training_step(X[:8], Y[:8]).backward(); opt.step()
"""
    done = ran(tmp_path, text)
    assert paths(done) == [["0", "2", "4"]]
    assert [s.step for s in done.nets[0].record.snapshots] == [0, 1, 2]


def test_two_nets_with_an_optimiser_each_keep_their_own_losses(tmp_path: Path) -> None:
    text = """
G, D = nn.Linear(6, 6), nn.Linear(6, 1)
a = torch.optim.SGD(G.parameters(), lr=0.0); b = torch.optim.SGD(D.parameters(), lr=0.0)
for step in range(3):
    b.zero_grad(); (D(G(X).detach()).mean() * 0 + 5).sum().backward(); b.step()
    a.zero_grad(); (D(G(X)).mean() * 0 + 9).sum().backward(); a.step()
"""
    done = ran(tmp_path, text)
    assert len(done.nets) == 2
    losses = [[m.loss for m in net.record.metrics] for net in done.nets]
    assert losses in ([[5.0] * 3, [9.0] * 3], [[9.0] * 3, [5.0] * 3])
    assert {n.folder.name for n in done.nets} == {"run", "run-2"}


def test_a_net_called_by_its_forward_is_seen_from_the_next_step(tmp_path: Path) -> None:
    done = ran(tmp_path, PLAIN.replace("net(X[i])", "net.forward(X[i])"))
    assert len(done.nets) == 1
    assert len(done.nets[0].record.metrics) >= 11


def test_a_script_that_never_steps_says_so(tmp_path: Path) -> None:
    done = ran(tmp_path, PLAIN.replace("opt.step()", ""))
    assert NEVER in done.notes
    assert done.error is None


def test_tensors_of_no_module_are_told(tmp_path: Path) -> None:
    text = "w = torch.zeros(3, requires_grad=True); opt = torch.optim.SGD([w], lr=0.1)\n"
    done = ran(tmp_path, text + "w.sum().backward(); opt.step()")
    assert done.nets == ()
    assert any("belong to no module" in note for note in done.notes)


def test_a_search_over_settings_ends_its_old_watches(tmp_path: Path) -> None:
    text = "def train():\n" + "".join(f"    {line}\n" for line in PLAIN.splitlines())
    loop = f"""
import builtins, gc, weakref
made, init = [], nn.Sequential.__init__
nn.Sequential.__init__ = lambda self, *a: (made.append(weakref.ref(self)), init(self, *a))[1]
for _ in range({MOST + 1}): train(); gc.collect()
nn.Sequential.__init__ = init
builtins.alive = sum(ref() is not None for ref in made)
"""
    import builtins

    done = ran(tmp_path, text + loop)
    alive = builtins.alive  # type: ignore[attr-defined]
    del builtins.alive  # type: ignore[attr-defined]
    assert alive <= 2  # nets that are over are let go
    assert len(done.nets) == MOST
    assert all(len(net.record.metrics) == 12 for net in done.nets)
    assert any(str(MOST) in note for note in done.notes)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("sys.exit(7)", SystemExit),
        ("raise ValueError('mine')", ValueError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        ("this is no python", SyntaxError),
    ],
)
def test_the_end_is_the_scripts_own(line: str, kind: type[BaseException], tmp_path: Path) -> None:
    done = ran(tmp_path, f"{PLAIN}\n{line}")
    assert type(done.error) is kind
    trace = done.error.__traceback__
    assert trace is None or trace.tb_frame.f_code.co_filename.endswith("train.py")
    if kind is not SyntaxError:
        assert len(done.nets[0].record.metrics) == 12


def test_it_runs_as_main_with_its_arguments_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 5")
    text = """
import __main__, beside
told = [__name__, sys.argv[1:], sys.path[0], __file__, beside.VALUE]
def f(): pass
assert __main__.f is f
import builtins; builtins.told = told
"""
    import builtins

    ran(tmp_path, text, "--lr", "0.1", "-h")
    told = builtins.told  # type: ignore[attr-defined]
    del builtins.told  # type: ignore[attr-defined]
    folder = str(tmp_path.resolve())
    assert told == ["__main__", ["--lr", "0.1", "-h"], folder, str(tmp_path / "train.py"), 5]


def test_a_forked_child_writes_nothing(tmp_path: Path) -> None:
    text = """
import os
if os.fork() == 0:
    for _ in range(8):  # step 16 is sampled: it would be written at once
        F.cross_entropy(net(X), Y).backward(); opt.step()
    os._exit(0)
os.wait()
"""
    done = ran(tmp_path, PLAIN + text)
    assert len(read_run(tmp_path / "run").metrics) == len(done.nets[0].record.metrics) == 12
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 12


def test_a_missing_script_and_a_taken_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.py cannot be read"):
        run_script(tmp_path / "nothing.py", (), folder=tmp_path / "run", judge=diagnose)
    ran(tmp_path, PLAIN)
    with pytest.raises(UsageError, match="already holds a run"):
        ran(tmp_path, PLAIN)


def test_other_ranks_are_not_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    done = ran(tmp_path, PLAIN)
    assert done.nets == ()
    assert done.notes == ()
    assert not os.path.exists(tmp_path / "run")


def test_owners_are_the_largest_modules() -> None:
    inner = nn.Linear(2, 2)
    whole = nn.Sequential(nn.Sequential(inner), nn.ReLU())
    assert owners({id(inner.weight)}) == [whole]
    assert owners({id(torch.zeros(1))}) == []
