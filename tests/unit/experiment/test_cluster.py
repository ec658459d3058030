"""Trials on a cluster's executor: a Dask cluster of two workers on this machine."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.experiment.test_repair import fixed, repaired, timeless

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A client of two worker processes with one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as made,
        made.get_client() as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_dask_cluster_gives_the_same_verdict(cluster: Any) -> None:
    fix = repaired(executor=cluster.get_executor())
    assert timeless(fix.verdict) == timeless(fixed().verdict)
