"""Batches: every sample once an epoch, the same with any number of workers, mixed by the book."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from undertow.core.errors import EnvironmentFaultError, UsageError
from undertow.data.arrays import Arrays, load
from undertow.data.feed import Feed, Micro, checked, mixed
from undertow.data.files import told
from undertow.data.items import Items
from undertow.data.order import Order
from undertow.data.split import batches

from .pictures import classes, save


def numbered(n: int) -> Arrays:
    return Arrays("n", torch.arange(n, dtype=torch.float32)[:, None], torch.arange(n), n, False)


@given(
    st.integers(1, 60), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3)
)
def test_every_sample_is_seen_once_an_epoch(
    n: int, b: int, acc: int, world: int, seed: int
) -> None:
    orders = [Order(n, b, seed, acc, rank, world) for rank in range(world)]
    seen: list[int] = []
    for step in range(orders[0].epoch):
        permutation = orders[0].permutation(0)
        parts = [o.step(step, permutation) for o in orders]
        mine = [torch.cat(p).tolist() for _, p in parts]
        assert sorted(v for m in mine for v in m) == sorted(parts[0][0].tolist())
        assert len({len(m) for m in mine}) == 1  # every rank has as many
        assert len({len(p) for _, p in parts}) == 1
        assert all(
            len(x) > 1 or len(m) == 1 or b == 1
            for m, (_, p) in zip(mine, parts, strict=True)
            for x in p
        )
        seen += [v for m in mine for v in m]
    if n >= world:
        assert len(seen) == len(set(seen)) == n - n % world


def test_the_order_is_that_of_whole_batches_and_one_short_group_more() -> None:
    data = numbered(22)
    feed = Feed(data, Order(22, 5, 3))
    found = [g.labels.tolist() for g in feed.groups(0, 5)]
    whole = [y.tolist() for _, y in batches(data, 5, 3, 4)]
    assert found[:4] == whole
    assert len(found[4]) == 2


def test_a_start_in_the_middle_changes_nothing() -> None:
    feed = Feed(numbered(22), Order(22, 4, 1, accumulate=2))
    whole = [[m.y.tolist() for m in g.micro] for g in feed.groups(0, 9)]
    assert [[m.y.tolist() for m in g.micro] for g in feed.groups(5, 9)] == whole[5:]


def test_rare_classes_come_as_often_with_weights() -> None:
    y = torch.tensor([0] * 90 + [1] * 10)
    order = Order(100, 10, 0, weights=1.0 / y.bincount()[y])
    seen = torch.cat([y[order.permutation(e)] for e in range(50)])
    assert float((seen == 1).float().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_bit(tmp_path: Path, workers: int) -> None:
    classes(tmp_path, {"a": 9, "b": 9}, 24)
    data = load(str(tmp_path))
    feed = Feed(data, Order(18, 4, 0), ("resized-crop", "flip", "jitter", "erase"))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one = [m.x for g in feed.groups(2, 9) for m in g.micro]
    two = [m.x for g in replace(feed, workers=workers).groups(2, 9) for m in g.micro]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_kinds_of_files_are_noted_once(tmp_path: Path, workers: int) -> None:
    classes(tmp_path, {"a": 5, "b": 5}, 24)
    for name, mode in (("a/p.png", "P"), ("b/p.png", "P"), ("b/r.png", "RGBA")):
        save(tmp_path / name, mode=mode)
    (tmp_path / "a" / "torn.png").write_bytes(b"torn")
    data = load(str(tmp_path))
    source: Any = data.x
    list(Feed(data, Order(len(data.x), 4, 0), workers=workers).groups(0, 4))
    first = source.source.converted["palette"]
    assert first in ("a/p.png", "b/p.png")
    notes = told(source.source, source.source)
    assert sorted(notes[:-1]) == [
        "alpha images are read without it, not laid over a background; the first is b/r.png",
        f"palette images are read as their colours; the first is {first}",
    ]
    assert "1 images could not be read" in notes[-1]
    assert told(torch.zeros(3)) == ()


def test_a_worker_that_dies_is_told() -> None:
    class Deadly:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            if index == 5 and os.getpid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return torch.zeros(2), index % 2

    parent = os.getpid()
    data = Arrays("d", Items(Deadly(), torch.arange(8), (2,)), torch.arange(8) % 2, 2, False)
    with pytest.raises(
        EnvironmentFaultError,
        match=r"a process that reads samples failed: .*worker \(pid.*--workers 0",
    ):
        list(Feed(data, Order(8, 4, 0), workers=1).groups(0, 2))


def test_mixup_blends_inputs_and_cutmix_exchanges_boxes() -> None:
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, 16, 16)
    y = torch.arange(6)
    rng = np.random.default_rng(0)
    made = mixed(Micro(x, y), 0.4, 0.0, rng)
    assert made.other is not None
    blend = made.share * y.float() + (1 - made.share) * made.other.float()
    assert torch.allclose(made.x[:, 0, 0, 0], blend)
    for seed in range(20):
        made = mixed(Micro(x, y), 0.0, 1.0, np.random.default_rng(seed))
        assert made.other is not None
        own = (made.x == y.view(6, 1, 1, 1)).float().mean((1, 2, 3))
        differ = made.other != y
        assert torch.allclose(own[differ], torch.full_like(own[differ], made.share))


@pytest.mark.parametrize(("share", "main"), [(0.7, [0, 1]), (0.5, [0, 1]), (0.3, [1, 0])])
def test_the_main_label_is_that_of_the_larger_share(share: float, main: list[int]) -> None:
    x, y = torch.zeros(2, 3), torch.tensor([0, 1])
    assert Micro(x, y, y.flip(0), share).main.tolist() == main
    assert Micro(x, y, None, share).main.tolist() == [0, 1]


def test_words_must_fit_the_data() -> None:
    with pytest.raises(UsageError, match="needs images"):
        checked(numbered(3), "flip")
    grey = Arrays("g", torch.zeros(2, 1, 8, 8), torch.zeros(2).long(), 2, False)
    assert checked(grey, "flip,shift") == ("flip", "shift")
    with pytest.raises(UsageError, match="needs three channels"):
        checked(grey, "pca")
    floats = Arrays("g", torch.zeros(2, 3, 8, 8), torch.zeros(2).long(), 2, False)
    with pytest.raises(UsageError, match="floats have no known range"):
        checked(floats, "jitter")
