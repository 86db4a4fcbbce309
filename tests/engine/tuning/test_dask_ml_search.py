"""dask-ml's Hyperband over our Dask frames: what it needs on today's stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import numpy as np
import polars as pl
import pytest
from dask.base import unpack_collections
from distributed import Client, LocalCluster, default_client

from engine.data.dataset import Dataset

pytest.importorskip("dask_ml")

from dask_ml.model_selection import HyperbandSearchCV, _incremental
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier


def _persisted(*args: Any) -> Any:
    """Persist by the client: `dask.persist` refuses one that is asynchronous, as theirs is."""
    collections, repack = unpack_collections(*args)
    return repack(default_client().persist(list(collections)))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as connected,
    ):
        yield connected


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Any, Any]:
    """Return the digits as Dask arrays: features, and whether a digit is odd."""
    x, y = load_digits(return_X_y=True)
    table = pl.DataFrame(x, schema=[f"x{number}" for number in range(64)])
    table = table.with_columns(pl.Series("odd", y % 2))
    for number in range(6):
        table[number * 300 : number * 300 + 300].write_parquet(tmp_path / f"{number}.parquet")
    # Their metrics and estimators want numpy's types; our frames have Arrow's.
    frame = Dataset.open(str(tmp_path / "*.parquet")).to_dask().astype("float64")
    features = frame[[f"x{number}" for number in range(64)]]
    odd = frame["odd"].to_dask_array(lengths=True)
    return features.to_dask_array(lengths=True), odd.astype(int)


def _search() -> HyperbandSearchCV:
    space = {"alpha": np.logspace(-5, 0, 50).tolist()}
    return HyperbandSearchCV(SGDClassifier(random_state=0), space, max_iter=9, random_state=0)


@pytest.mark.slow
def test_as_it_is_it_fails_on_this_dask(client: Client, rows: tuple[Any, Any]) -> None:
    with pytest.raises(RuntimeError, match="asynchronous Client in a synchronous context"):
        _search().fit(*rows, classes=[0, 1])


@pytest.mark.slow
def test_with_one_function_replaced_it_finds_a_model(
    client: Client, rows: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted = SimpleNamespace(**{**vars(dask), "persist": _persisted})
    monkeypatch.setattr(_incremental, "dask", adapted)
    search = _search().fit(*rows, classes=[0, 1])
    assert search.best_score_ > 0.85
    assert len({one["model_id"] for one in search.history_}) > 5
    x, y = (part.compute() for part in rows)
    assert (search.best_estimator_.predict(x) == y).mean() > 0.85
