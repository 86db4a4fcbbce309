"""The pass on a cluster: the figures of the rows, the same bits whatever the cluster."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from distributed import Client, LocalCluster

from engine.data.dataset import Dataset
from engine.errors import ContractRefused
from engine.place.kept import Kept
from engine.profile.request import Target
from engine.profile.results import Profile
from engine.profiling import ProfileWork, look, merged, profile, request_for
from engine.rejected.bad_rows import BadRows
from engine.split import Split


@pytest.fixture(scope="module", params=[1, 3])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Open a cluster of threads."""
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=request.param,
            processes=False,
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Write a table of several row groups."""
    random = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "x": random.standard_normal(20_000),
            "y": random.random(20_000) < 0.4,
            "at": np.arange(20_000),
            "id": random.integers(0, 15_000, 20_000),
            "word": random.choice(["a", "b"], 20_000),
        }
    )
    path: Path = tmp_path_factory.mktemp("data") / "a.parquet"
    frame.write_parquet(path, row_group_size=2_500)
    return Dataset.open(str(path))


def _profile(client: Client, dataset: Dataset, seen: list[int], folder: Path) -> Profile:
    partitions = dataset.partitions(list(dataset.schema), 100_000)
    asked = request_for(
        dataset.schema,
        partitions,
        target=Target("y"),
        keys=("id",),
        split=Split("time", valid=0.2, test=0.2, columns=("at",)),
    )
    return profile(
        client,
        dataset.source,
        partitions,
        asked,
        bad=BadRows(Kept.of(folder)),
        threads=2,
        progress=lambda done: seen.append(done.partition.index),
    )


def test_a_cluster_finds_what_one_process_finds(
    client: Client, dataset: Dataset, tmp_path: Path
) -> None:
    seen: list[int] = []
    found = _profile(client, dataset, seen, tmp_path)
    partitions = dataset.partitions(list(dataset.schema), 100_000)
    assert sorted(seen) == list(range(len(partitions))) and len(partitions) > 5
    work = ProfileWork(dataset.source, found.request, BadRows(Kept.of(tmp_path)))
    alone = merged((look(work, partition) for partition in partitions), found.request)
    assert json.dumps(found.results({})) == json.dumps(alone.results({}))
    assert found.request.split is not None and found.request.split.cuts is not None
    overlaps = [s for s in found.results({})["suspects"] if s["kind"] == "key_overlap"]
    assert len(overlaps) == 3


def test_no_row_is_an_error(client: Client, dataset: Dataset, tmp_path: Path) -> None:
    nothing = Dataset.open(dataset.location, where="x > 100")
    partitions = nothing.partitions(list(nothing.schema))
    asked = request_for(nothing.schema, partitions)
    with pytest.raises(ContractRefused, match="no row is left to profile"):
        profile(
            client,
            nothing.source,
            partitions,
            asked,
            bad=BadRows(Kept.of(tmp_path)),
            threads=1,
            progress=lambda _: None,
        )
