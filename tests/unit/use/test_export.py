"""An exported net gives what the net gives, says what its inputs are, or is not there at all."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import undertow as ut
from tests.unit.data.pictures import classes
from undertow.api.prepare import fitted, prepared
from undertow.api.target import source as source_of
from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.core.exported import Exported
from undertow.core.inputs import Inputs, read
from undertow.core.plan import Plan, TrainChoices
from undertow.data.arrays import load
from undertow.models.checkpoints import about
from undertow.train.evaluation import evaluate
from undertow.use import export as module
from undertow.use.export import export, sample_of, without_heads
from undertow.use.fast import ready
from undertow.use.images import Reader
from undertow.use.reading import samples
from undertow.use.source import Opened, opened

SIZES = {"depth": 3, "width": 4}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 16-pixel cuts of 24-pixel photos, exported to ONNX."""
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed (extra: export)")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra: export)")
    home = tmp_path_factory.mktemp("home")
    classes(home / "photos", {"cat": 10, "dog": 10}, 24)
    ut.train("conv", str(home / "photos"), run=home / "run", steps=5, batch=4, side=16, **SIZES)
    return home


@pytest.fixture(scope="module")
def made(home: Path) -> Exported:
    return ut.export(home / "run", home / "net.onnx")


def by_onnx(file: Path, x: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def test_one_image_has_the_same_logits_everywhere(home: Path, made: Exported) -> None:
    """Complaint 7 (ultralytics#3029, #13653, #22790; keras#10279)."""
    trained = opened(home / "run")
    data = fitted(load(str(home / "photos")), "conv", 16)
    plan = Plan("conv", sizes=tuple(SIZES.items()), train=TrainChoices(steps=5, batch=4), side=16)
    job = prepared(source_of(plan, data), data, 0.2, 0, home / "again")
    stored = json.loads((home / "run" / "checkpoints" / "best.json").read_text())["best"]
    with torch.no_grad():
        wanted = trained.net(job.held.x[:])
    validated = evaluate(trained.net, job.held, job.loss_fn)
    assert validated.loss == pytest.approx(stored["loss"], rel=1e-5)

    source = job.held.x.source
    for place, index in enumerate(job.held.x.picks.tolist()):
        photo = source.path(index)
        x = Reader(trained.ready()).file(photo).unsqueeze(0)
        close = {"rtol": 1e-4, "atol": 1e-4}
        logits = wanted[place : place + 1]
        torch.testing.assert_close(ready(trained.net, x, "fp32").call(x), logits, **close)
        (said,) = ut.predict(home / "run", photo)
        assert said.probability == pytest.approx(float(logits.softmax(1).max()), abs=1e-4)
        beside = read(json.loads(made.beside.read_text())["preprocessing"])
        assert beside is not None
        torch.testing.assert_close(
            by_onnx(made.file, Reader(beside).file(photo)[None]), logits, **close
        )
    batch = next(samples(trained, load(str(home / "photos")).take(job.held.x.picks)).batches(99))
    with torch.no_grad():
        torch.testing.assert_close(trained.net(batch.x), wanted, rtol=1e-4, atol=1e-4)


def test_onnx_has_a_free_batch_and_says_what_it_is(home: Path, made: Exported) -> None:
    import onnx

    assert (made.kind, made.images, made.source) == ("onnx", 4, "the run's own data")
    assert made.difference < 1e-5
    held = onnx.load(made.file)
    told = json.loads({p.key: p.value for p in held.metadata_props}["undertow"])
    assert told == json.loads(made.beside.read_text())
    assert (told["classes"], told["loss"]) == (["cat", "dog"], "cross-entropy")
    assert str(home) not in json.dumps(told)  # where the data lie is nobody's business
    assert held.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    assert by_onnx(made.file, torch.randn(7, 3, 16, 16)).shape == (7, 2)
    assert [p.name for p in home.iterdir() if p.name.startswith(".")] == []


def test_plain_weights_open_as_the_run_does(home: Path) -> None:
    found = ut.export(home / "run", home / "w.safetensors")
    again, run = opened(found.file), opened(home / "run")
    assert (again.inputs, again.names, again.loss) == (run.inputs, run.names, run.loss)
    photo = home / "photos" / "cat" / "000.png"
    one, other = ut.predict(found.file, photo)[0], ut.predict(home / "run", photo)[0]
    assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_torchs_own_export(home: Path) -> None:
    found = ut.export(home / "run", home / "net.pt2", images=home / "photos" / "cat" / "000.png")
    assert (found.source, found.images) == ("given", 2)
    extra = {"undertow": ""}
    net = torch.export.load(found.file, extra_files=extra).module()
    assert json.loads(extra["undertow"])["classes"] == ["cat", "dog"]
    assert net(torch.randn(5, 3, 16, 16)).shape == (5, 2)


def tiny(net: nn.Module | None = None) -> Opened:
    torch.manual_seed(0)
    net = net or nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    return Opened(net.eval(), Inputs((3, 2, 2), 1.0, (0.0, 1.0)), name="tiny")


@pytest.mark.parametrize("ending", [".onnx", ".pt2", ".safetensors"])
def test_outputs_that_differ_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    monkeypatch.setitem(module.READERS, ending, lambda *_: torch.no_grad()(wrong))
    if ending != ".safetensors":
        monkeypatch.setitem(module.WRITERS, ending, lambda _n, part, *_: part.write_bytes(b"x"))
    source, old = tiny(), tmp_path / f"n{ending}"
    old.write_text("the old one")
    with pytest.raises(EnvironmentFaultError, match="is not written"):
        export(source, old, sample_of(source, (), ""))
    assert [p.name for p in tmp_path.iterdir()] == [old.name]
    assert old.read_text() == "the old one"


def test_auxiliary_heads_are_left_out(tmp_path: Path) -> None:
    net = ut.build("googlenet", classes=3, aux=2, seed=0)
    assert [k for k in without_heads(net).state_dict() if k.startswith("aux")] == []
    assert net.aux1 is not None
    plan = Plan("googlenet", classes=3, in_channels=3)
    inputs = Inputs((3, 32, 32), 1.0, (0.0, 1.0))
    source = Opened(net.eval(), inputs, plan=plan, name="g")
    found = export(source, tmp_path / "g.safetensors", sample_of(source, (), ""))
    assert found.source == "random pixels"
    again = opened(found.file)
    assert again.plan is not None
    assert again.plan.choices.aux == 0
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(again.net(x), net(x))
    assert about(found.file)["transform_input"] is False


def test_wrong_use_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tiny()
    sample = sample_of(source, (), "")
    for path, opset, said in (
        (tmp_path / "n.txt", None, "known ending"),
        (tmp_path / "no" / "n.onnx", None, "is no folder"),
        (tmp_path / "n.pt2", 18, "is of ONNX"),
        (tmp_path / "n.onnx", 999, "does not exist"),
    ):
        with pytest.raises(UsageError, match=said):
            export(source, path, sample, opset)
    monkeypatch.setattr(module, "EXTRA", ("onnx", "no_such_package"))
    with pytest.raises(EnvironmentFaultError, match=r"no_such_package: pip install"):
        export(source, tmp_path / "n.onnx", sample)
    with pytest.raises(UsageError, match="--preprocessing"):
        sample_of(Opened(source.net, None), (), "")


class Branch(nn.Module):
    """Branches on a value: no exporter can follow it."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 2, 2) -> (N, 12)."""
        return x.flatten(1) if float(x.sum()) > 0 else -x.flatten(1)


def test_a_net_that_cannot_be_exported_is_told_in_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tiny(Branch())
    with pytest.raises(EnvironmentFaultError, match=r"cannot export this network"):
        export(source, tmp_path / "n.pt2", sample_of(source, (), ""))
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert logging.root.manager.disable == 0


@pytest.mark.slow
def test_an_opset_that_cannot_hold_the_net(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"opset 9 cannot hold this network; it needs 18"):
        ut.export(home / "run", home / "old.onnx", opset=9)
    assert not (home / "old.onnx").exists()
    assert capfd.readouterr().out == ""
    assert ut.export(home / "run", home / "new.onnx", opset=21).opset == 21


def test_random_samples_are_inputs() -> None:
    x = sample_of(tiny(), (), "").x
    assert x.shape == (4, 3, 2, 2)
    assert 0 <= float(x.min()) < float(x.max()) <= 1
    arrays = Opened(nn.Identity(), Inputs((5,), mean=(1.0,) * 5, std=(1.0,) * 5))
    assert sample_of(arrays, (), "").x.shape == (4, 5)
    assert np.isfinite(sample_of(arrays, (), "").x.numpy()).all()
