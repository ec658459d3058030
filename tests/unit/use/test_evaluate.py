"""An opened net on data: counted once, mapped by name, bad files left out; nothing changes."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.unit.data import pictures
from undertow.core.errors import UsageError
from undertow.core.inputs import Inputs
from undertow.data.arrays import Arrays, load
from undertow.data.pixels import Memory, Pixels
from undertow.nn.loss import CRITERIA
from undertow.use.classes import aligned
from undertow.use.crops import averaged, ten
from undertow.use.evaluate import How, evaluate
from undertow.use.source import Opened

INPUTS = Inputs((3, 16, 16), 1.0, (0.0, 1.0), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
PLAIN = How()


def net(outputs: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout())
    made.extend([nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, outputs)])
    return made


def opened(outputs: int = 3, names: tuple[str, ...] = (), loss: str = "cross-entropy") -> Opened:
    return Opened(net(outputs), INPUTS, names, loss, "net")


def tensors(n: int = 40, classes: int = 3) -> Arrays:
    g = torch.Generator().manual_seed(0)
    x = torch.rand(n, 3, 16, 16, generator=g)
    return Arrays("made", x, torch.randint(classes, (n,), generator=g), classes, False)


def folder(path: Path, *names: str) -> Path:
    return pictures.classes(path, dict.fromkeys(names, 6))


def test_it_is_the_plain_loop() -> None:
    made, data = opened(), tensors()
    assert isinstance(data.x, Tensor)
    mean, std = torch.tensor(INPUTS.mean), torch.tensor(INPUTS.std)
    x = (data.x - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    with torch.no_grad():
        out = made.net.eval()(x)
    found = evaluate(made, data, PLAIN)
    assert found.right == int((out.argmax(1) == data.y).sum())
    assert found.mean_loss == pytest.approx(float(CRITERIA["cross-entropy"](out, data.y)), rel=1e-5)
    assert found.n == 40
    assert dict(found.preprocessing)["input"] == INPUTS.words()


def test_batches_and_modes_do_not_matter_and_nothing_changes() -> None:
    made = opened()
    made.net.train()
    before, state = copy.deepcopy(made.net.state_dict()), torch.get_rng_state()
    one, many = (evaluate(made, tensors(), How(batch=b)) for b in (40, 7))
    assert one.confusion == many.confusion
    assert one.mean_loss == pytest.approx(many.mean_loss, rel=1e-6)
    assert all(torch.equal(v, before[k]) for k, v in made.net.state_dict().items())
    assert all(m.training for m in made.net.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_module_without_inputs_takes_tensors_as_they_are() -> None:
    made, data = replace(opened(), inputs=None), tensors()
    with torch.no_grad():
        out = made.net.eval()(data.x[:])
    found = evaluate(made, data, PLAIN)
    assert found.right == int((out.argmax(1) == data.y).sum())
    assert dict(found.preprocessing)["input"] == "as given"


def test_images_without_inputs_ask_for_them(tmp_path: Path) -> None:
    data = load(str(folder(tmp_path, "a", "b", "c")))
    with pytest.raises(UsageError, match="--preprocessing"):
        evaluate(replace(opened(), inputs=None), data, PLAIN)


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    data = load(str(folder(tmp_path, "cat", "dog")))
    made = opened(names=("dog", "bird", "cat"))
    found = evaluate(made, data, PLAIN)
    assert found.names == ("dog", "bird", "cat")
    assert [c.support for c in found.classes] == [6, 0, 6]
    with pytest.raises(UsageError, match="cat, which the net does not know; it knows dog, bird"):
        evaluate(opened(names=("dog", "bird", "cow")), data, PLAIN)
    with pytest.raises(UsageError, match=r"3 outputs without names, .* has 2 classes"):
        evaluate(opened(), data, PLAIN)


def test_unnamed_outputs_take_the_order_of_the_data_and_say_so(tmp_path: Path) -> None:
    data = load(str(folder(tmp_path, "x", "y", "z")))
    found = evaluate(opened(), data, PLAIN)
    assert found.names == ("x", "y", "z")
    assert "in the data's order" in found.notes[0]


def test_more_labels_than_outputs_is_an_error() -> None:
    with pytest.raises(UsageError, match="3 classes and the data label up to 4"):
        aligned(tensors(classes=5), (), 3)


def test_numbers_in_a_list_of_files_are_places_not_names(tmp_path: Path) -> None:
    home = folder(tmp_path, "a", "b")
    rows = [f"{p.relative_to(tmp_path)},{i}" for i, n in enumerate("ab")
            for p in sorted((home / n).iterdir())]  # fmt: skip
    (tmp_path / "list.csv").write_text("\n".join(rows))
    found = evaluate(opened(names=("x", "y", "z")), load(str(tmp_path / "list.csv")), PLAIN)
    assert found.names == ("x", "y", "z")
    assert [c.support for c in found.classes] == [6, 6, 0]


def test_a_file_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    home = folder(tmp_path, "a", "b", "c")
    whole = evaluate(opened(), load(str(home)), PLAIN)
    (home / "b" / "002.png").write_bytes(b"no image")
    found = evaluate(opened(), load(str(home)), PLAIN)
    assert (whole.n, found.n) == (18, 17)
    assert len(found.skipped) == 1
    assert "002.png" in found.skipped[0]
    others = {m.name: m.loss for m in whole.worst}
    assert all(m.loss == pytest.approx(others[m.name], rel=1e-5) for m in found.worst)
    assert {m.name for m in found.worst} == set(others) - {str(Path("b") / "002.png")}


def test_one_unit_is_class_one() -> None:
    data = tensors(classes=2)
    found = evaluate(opened(1, ("no", "yes"), "bce"), data, PLAIN)
    assert found.binary is not None
    assert found.names == ("no", "yes")
    with pytest.raises(UsageError, match="one output; give --loss bce"):
        evaluate(opened(1), data, PLAIN)


def test_numbers_as_targets_give_a_loss_alone() -> None:
    data = replace(tensors(), y=torch.rand(40), classes=0)
    found = evaluate(opened(1, loss="mse"), data, PLAIN)
    assert (found.accuracy, found.interval, found.n) == (None, None, 40)
    with pytest.raises(UsageError, match="targets that are no classes"):
        evaluate(opened(1), data, PLAIN)


def test_a_net_that_hardly_looks_is_named() -> None:
    made = opened()
    made.net[-1].bias.data[1] = 100.0  # type: ignore[union-attr]
    (note,) = evaluate(made, tensors(), PLAIN).notes
    assert note.startswith("100% of the guesses are 1")


def test_a_net_of_another_shape_is_told_in_words() -> None:
    with pytest.raises(UsageError, match="does not take inputs of 3x16x16"):
        evaluate(replace(opened(), net=nn.Linear(5, 2)), tensors(), PLAIN)
    with pytest.raises(UsageError, match="needs logits"):
        evaluate(replace(opened(), net=nn.Conv2d(3, 2, 3)), tensors(), PLAIN)
    with pytest.raises(UsageError, match="precision='half' is unknown"):
        evaluate(opened(), tensors(), How(precision="half"))


def test_ten_crops_are_corners_centre_and_their_mirrors() -> None:
    image = torch.arange(64).byte().view(1, 8, 8)
    found = ten(image, (4, 4), 2.0)
    assert found.shape == (10, 1, 4, 4)
    starts = [0, 4, 32, 36, 18]
    assert found[:5, 0, 0, 0].tolist() == starts
    assert torch.equal(found[5:], found[:5].flip(-1))
    with pytest.raises(UsageError, match="10 crops need a border"):
        ten(image, (8, 8), 1.0)


@pytest.mark.parametrize(("word", "outputs"), [("cross-entropy", 4), ("bce", 4), ("bce", 1)])
def test_probabilities_are_averaged_over_crops(word: str, outputs: int) -> None:
    out = torch.randn(6, outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    soft = word == "cross-entropy"
    chances = (out.softmax(1) if soft else out.sigmoid()).view(2, 3, outputs).mean(1)
    found = averaged(out, 3, word)
    torch.testing.assert_close(found.softmax(1) if soft else found.sigmoid(), chances)
    assert averaged(out, 1, word) is out


def test_ten_crops_of_images_and_only_of_images() -> None:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (12, 3, 24, 24), generator=g).byte()
    x = Pixels(Memory(images), torch.arange(12), 3, (24, 24))
    data = Arrays("made", x, torch.arange(12) % 3, 3, False)
    made = replace(opened(), inputs=replace(INPUTS, border=1.25))
    one, views = (evaluate(made, data, How(crops=c)) for c in (1, 10))
    assert views.crops == 10
    assert views.mean_loss != one.mean_loss
    whole = torch.cat([ten(image, (16, 16), 1.25) for image in images])
    mean, std = torch.tensor(INPUTS.mean), torch.tensor(INPUTS.std)
    with torch.no_grad():
        out = made.net.eval()((whole / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    chances = out.softmax(1).view(12, 10, 3).mean(1)
    expected = -chances[torch.arange(12), data.y].log().mean()
    assert views.mean_loss == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(UsageError, match="10 crops are of image files"):
        evaluate(opened(), tensors(), How(crops=10))
