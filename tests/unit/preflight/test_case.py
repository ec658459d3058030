"""Cases: what is taken of the user's arguments, and that nothing of theirs is changed."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim

from undertow.core.errors import UsageError
from undertow.preflight.case import Deadline, guarded, make_case, plain_step

X, Y = torch.randn(8, 4), torch.randint(3, (8,))


def net() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def states() -> list[Any]:
    found: Any = np.random.get_state()  # noqa: NPY002 - the global state is what is protected
    return [random.getstate(), found[1].tolist(), found[2], torch.get_rng_state().tolist()]


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(1))  # noqa: NPY002


def test_random_states_are_seeded_inside_and_put_back() -> None:
    before = states()
    with guarded(3):
        one = draw()
    assert states() == before
    with guarded(3):
        two = draw()
    with guarded(4):
        three = draw()
    assert one == two
    assert one != three


def test_random_states_are_put_back_after_an_error() -> None:
    before = states()
    with pytest.raises(ZeroDivisionError), guarded(0):
        _ = draw()[0] / 0
    assert states() == before


def test_a_deadline_counts_down() -> None:
    assert Deadline(0).over
    assert Deadline(-1).left == 0
    assert not Deadline(60).over
    assert 59 < Deadline(60).left <= 60


def test_a_tuple_of_tensors_is_one_batch() -> None:
    case = make_case(net(), (X, Y))
    assert case.pair is not None
    assert case.pair[0] is X
    assert (case.loss, case.one_shot, case.source) == ("cross-entropy", False, "Sequential")
    assert case.optimizer is None


def test_of_an_iterator_exactly_one_batch_is_taken() -> None:
    taken = []

    def walk() -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(5):
            taken.append(i)
            yield X, Y

    assert make_case(net(), walk()).one_shot
    assert taken == [0]
    assert not make_case(net(), [(X, Y)] * 3).one_shot


def test_a_step_of_the_users_own_takes_any_batch() -> None:
    def step(module: nn.Module, batch: Any) -> Tensor:
        return nn.functional.cross_entropy(module(batch["a"]), batch["b"])

    case = make_case(net(), [{"a": X, "b": Y}], step=step)
    assert case.pair is None
    assert case.loss == ""
    assert case.run(case.fresh()).ndim == 0


def test_a_fresh_copy_shares_nothing_and_trains_without_gradients() -> None:
    made = net().eval()
    made(X).sum().backward()
    copied = make_case(made, (X, Y)).fresh()
    assert copied.training
    assert not made.training
    assert all(p.grad is None for p in copied.parameters())
    assert all(p.grad is not None for p in made.parameters())
    with torch.no_grad():
        next(copied.parameters()).zero_()
    assert bool(next(made.parameters()).any())


def test_dropout_is_drawn_alike_in_every_run_of_a_case() -> None:
    case = make_case(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)), (X, Y), seed=1)
    fresh = case.fresh()
    assert case.run(fresh).item() == case.run(fresh).item()


def test_structured_outputs_are_read_by_their_logits() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Any:
            return type("Output", (), {"logits": self.inner(x)})()

    made = Wrapped()
    step = plain_step(nn.functional.cross_entropy)
    expected = nn.functional.cross_entropy(made.inner(X), Y)
    assert step(made, (X, Y)).item() == expected.item()


class Reading(nn.Linear):
    """Holds what no copy can be made of."""

    def __init__(self) -> None:
        super().__init__(4, 3)
        self.lines = (i for i in range(3))


def test_a_module_that_cannot_be_copied_is_told_in_words() -> None:
    with pytest.raises(UsageError, match=r"Reading\.lines cannot be copied"):
        make_case(Reading(), (X, Y)).fresh()


def nan_in(x: Tensor) -> Tensor:
    x = x.clone()
    x[5, 2] = torch.nan
    return x


def broken() -> nn.Module:
    made = net()
    nn.init.constant_(made[0].weight, torch.nan)
    return made


@pytest.mark.parametrize(
    ("made", "data", "loss", "said"),
    [
        (lambda x: x, (X, Y), None, "function is no nn.Module"),
        (nn.ReLU(), (X, Y), None, "no trainable parameters"),
        (net().requires_grad_(False), (X, Y), None, "no trainable parameters"),
        (net().to("meta"), (X, Y), None, "on the meta device"),
        (broken(), (X, Y), None, r"starts with NaN or Inf in 0\.weight"),
        (nn.LazyLinear(3), (X, Y), None, "lazy layers; run one batch"),
        (net(), None, None, "data of type NoneType cannot be read"),
        (net(), [], None, "yields no batch"),
        (net(), [{"x": X}], None, "a batch of type dict is not"),
        (net(), [(X, [1, 2])], None, "must hold two tensors"),
        (net(), (X[:0], Y[:0]), None, "the batch is empty"),
        (net(), (X, Y[:3]), None, "holds 8 inputs and 3 targets"),
        (net(), (nan_in(X), Y), None, "x: sample 5 holds NaN"),
        (net(), (X, nan_in(X)), None, "y: sample 5 holds NaN"),
        (net(), (X, Y), "cross-entrpy", r"did you mean cross-entropy\?"),
        (net(), (X, Y), 3, "neither a word nor callable"),
    ],
)
def test_bad_input_is_told_in_words(made: Any, data: Any, loss: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_case(made, data, loss)


def test_an_optimiser_that_is_none_is_told_in_words() -> None:
    with pytest.raises(UsageError, match="optimizer='sgd' is none; give an Optimizer"):
        make_case(net(), (X, Y), optimizer="sgd")
    assert make_case(net(), (X, Y), optimizer=optim.Adam).optimizer is optim.Adam
