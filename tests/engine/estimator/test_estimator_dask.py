"""Fits and predictions of Dask frames on a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from estimator_tables import FEATURES, only, table

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.errors import SpecError
from engine.estimator import LGBMClassifier, LGBMRanker, LGBMRegressor

dd = pytest.importorskip("dask.dataframe")

FEW: dict[str, Any] = {"n_estimators": 12, "num_leaves": 7, "n_jobs": 1}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


def lazy(frame: pd.DataFrame, cuts: tuple[int, ...] = (0, 0, 305, 700, 1200)) -> Any:
    """Return a Dask frame with uneven partitions, one of them empty."""
    parts = [dask.delayed(frame[a:b]) for a, b in pairwise(cuts)]
    return dd.from_delayed(parts, meta=frame[:0])


def test_a_dask_frame_is_trained_on_by_all_workers(client: Client, tmp_path: Path) -> None:
    rows = only("three", "w")
    model = LGBMClassifier(**FEW, scratch=str(tmp_path))
    frame = lazy(rows)
    model.fit(
        frame,
        "three",
        sample_weight="w",
        categorical_feature=["t"],
        eval_set=[(frame, "three")],
        early_stopping_rounds=5,
    )
    assert not list(tmp_path.iterdir())
    assert model.score(rows, rows["three"]) > 0.9
    assert len(model.evals_result_["valid_0"]["log_loss"]) == 12
    predicted, shares = model.predict(frame), model.predict_proba(frame)
    assert isinstance(predicted, dd.Series) and isinstance(shares, dd.DataFrame)
    assert list(shares.columns) == ["probability_hi", "probability_lo", "probability_mid"]
    found, share = dask.compute(predicted, shares)
    pd.testing.assert_index_equal(found.index, rows.index)
    np.testing.assert_array_equal(found.to_numpy(), model.predict(rows))
    np.testing.assert_array_equal(share.to_numpy(), model.predict_proba(rows))
    assert predicted.dtype == found.dtype


@pytest.mark.long
def test_the_model_is_about_that_of_one_rank(client: Client) -> None:
    rows = only("value")[["a", "b", "flag", "value"]]
    many = LGBMRegressor(**FEW).fit(lazy(rows), "value")
    one = LGBMRegressor(**FEW).fit(rows, "value")
    assert np.corrcoef(many.predict(rows), one.predict(rows))[0, 1] > 0.98


def test_queries_may_go_on_in_the_next_partition(client: Client) -> None:
    rows = only("relevance", "query")[["a", "b", "relevance", "query"]]
    many = LGBMRanker(**FEW).fit(lazy(rows), "relevance", qid="query")
    one = LGBMRanker(**FEW).fit(rows, "relevance", qid="query")
    assert np.corrcoef(many.predict(rows), one.predict(rows))[0, 1] > 0.98


def test_rows_in_memory_are_trained_on_a_client_that_is_given(client: Client) -> None:
    rows = only("value")
    x, y = rows[["a", "b"]].to_numpy(np.float64), rows["value"].to_numpy()
    model = LGBMRegressor(**FEW, client=client).fit(x, y)
    assert model.score(x, y) > 0.3


@pytest.mark.long
def test_labels_may_be_a_series_of_the_same_partitions(client: Client) -> None:
    frame = lazy(only("yes", "w"))
    apart = LGBMClassifier(**FEW).fit(frame[["a", "b"]], frame["yes"])
    values = LGBMClassifier(**FEW).fit(frame[["a", "b"]], (frame["yes"] == "yes").values)
    assert (apart.classes_.tolist(), values.classes_.tolist()) == (["no", "yes"], [False, True])
    np.testing.assert_array_equal(values.predict_proba(table()), apart.predict_proba(table()))


def test_labels_of_other_partitions_are_refused(client: Client) -> None:
    rows = only("value")
    frame = lazy(rows[FEATURES])
    with pytest.raises(SpecError, match="in 1 partitions, the rows in 4"):
        LGBMRegressor().fit(frame[["a"]], dd.from_pandas(rows["value"], npartitions=1))
    with pytest.raises(SpecError, match="a column of it"):
        LGBMRegressor().fit(frame[["a"]], rows["value"])
    with pytest.raises(SpecError, match="requires y"):
        LGBMRegressor().fit(frame[["a"]])


def test_an_error_in_a_partition_is_told(client: Client, tmp_path: Path) -> None:
    rows = only("value")
    rows.loc[800, "value"] = np.nan
    with pytest.raises(SpecError, match="a label is missing"):
        LGBMRegressor(**FEW, scratch=str(tmp_path)).fit(lazy(rows)[["a", "value"]], "value")
    assert not list(tmp_path.iterdir())
