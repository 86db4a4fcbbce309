"""What a model may return, and how it is told that it returned something else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scoring.foreign.returned import Misfit, checked

TWO = {"score": pl.Float32(), "label": pl.String()}
VALUES = {"label": ["a", "b"], "score": [0.5, 1.5]}
ONE = {"score": pl.Float32()}


@pytest.mark.parametrize(
    "given",
    [
        pl.DataFrame(VALUES),
        pl.LazyFrame(VALUES),
        pd.DataFrame(VALUES, index=[7, 3]),
        pd.DataFrame(VALUES).astype({"label": "category"}),
        pa.table(VALUES),
        pa.RecordBatch.from_pydict(VALUES),
        VALUES,
        {"label": np.array(["a", "b"]), "score": np.array([0.5, 1.5])},
        {"label": np.array(["a", "b"], dtype=object), "score": pd.Series([0.5, 1.5], index=[9, 1])},
        {"label": pl.Series(["a", "b"], dtype=pl.Categorical), "score": pa.array([0.5, 1.5])},
        {"label": ("a", "b"), "score": np.array([[0.5], [1.5]])},
    ],
    ids=lambda one: type(one).__name__,
)
def test_every_kind_of_frame_becomes_the_columns_in_order(given: Any) -> None:
    found = checked(given, TWO, 2, "fail")
    assert dict(found.schema) == TWO
    assert found.rows() == [(0.5, "a"), (1.5, "b")]


@pytest.mark.parametrize(
    "given",
    [
        pl.Series("other", [0.5, 1.5]),
        pd.Series([0.5, 1.5], index=[5, 4]),
        pa.array([0.5, 1.5]),
        pa.chunked_array([[0.5], [1.5]]),
        np.array([0.5, 1.5]),
        np.array([[0.5], [1.5]], dtype=np.float32),
        [0.5, 1.5],
    ],
    ids=lambda one: type(one).__name__,
)
def test_one_column_needs_no_name(given: Any) -> None:
    assert checked(given, ONE, 2, "fail").rows() == [(0.5,), (1.5,)]


def test_a_matrix_has_a_column_each() -> None:
    columns = {"a": pl.Float64(), "b": pl.Float64()}
    assert checked(np.arange(4.0).reshape(2, 2), columns, 2, "fail").rows() == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("given", "columns", "told"),
    [
        (None, ONE, "returned a NoneType"),
        ("text", ONE, "returned a str"),
        (7.0, ONE, "returned a float"),
        ([0.5, 1.5], TWO, "returned one column for 2: score, label"),
        (np.zeros((2, 3)), TWO, "returned 3 columns for 2"),
        ({"score": [1.0, 2.0]}, TWO, "returned columns without label"),
        ({**VALUES, "pid": [1, 2]}, TWO, "returned columns with pid, which is not asked for"),
        ({"points": [1.0, 2.0]}, ONE, "without score and with points"),
        ({"score": [1.0]}, ONE, "returned 1 rows for 2"),
        ({"score": np.zeros((2, 2))}, ONE, "an array of shape (2, 2) as column score"),
        ({"score": [1.0, 2.0], "label": ["a"]}, TWO, "that is no table"),
        ({"score": ["1", "2"]}, ONE, "returned string as column score, which is float32"),
        ({"score": [1.0, None]}, ONE, "1 missing values (null or NaN) in score"),
        ({"score": np.array([np.nan, np.nan])}, ONE, "2 missing values"),
        ({"score": [1e300, 1.0]}, ONE, "values in column score that float32 does not hold"),
        ({"n": [1, 300]}, {"n": pl.Int8()}, "values in column n that int8 does not hold"),
        ({"n": [1, -1]}, {"n": pl.UInt16()}, "that uint16 does not hold"),
        ({"n": [1.0, 2.0]}, {"n": pl.Int64()}, "returned float64 as column n, which is int64"),
        ({"n": [True, False]}, {"n": pl.Int8()}, "returned bool as column n"),
        ({"label": [1, 2]}, {"label": pl.String()}, "returned int64 as column label"),
        ({"label": [object(), object()]}, {"label": pl.String()}, "column label"),
        ({"n": [[1], [2]]}, {"n": pl.Int64()}, "column n"),
    ],
)
def test_anything_else_is_told(given: Any, columns: dict[str, pl.DataType], told: str) -> None:
    with pytest.raises(Misfit) as caught:
        checked(given, columns, 2, "fail")
    assert told in caught.value.what


def test_missing_values_are_kept_where_that_is_asked_for() -> None:
    found = checked({"score": pl.Series([None, float("nan")])}, ONE, 2, "keep")["score"]
    assert found[0] is None and found.is_nan()[1]


def test_an_infinite_score_is_a_value() -> None:
    assert checked([float("inf"), 0.0], ONE, 2, "fail")["score"][0] == float("inf")


def test_times_keep_their_instant() -> None:
    columns = {"day": pl.Date(), "at": pl.Datetime("us")}
    at = pl.Series([datetime(2026, 1, 1, 5)], dtype=pl.Datetime("ms"))
    found = checked({"day": [date(2026, 1, 1)], "at": at}, columns, 1, "fail")
    assert found.rows() == [(date(2026, 1, 1), datetime(2026, 1, 1, 5))]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.sampled_from([8, 16, 32, 64]))
def test_whole_numbers_are_never_changed(values: list[int], bits: int) -> None:
    kind = {8: pl.Int8(), 16: pl.Int16(), 32: pl.Int32(), 64: pl.Int64()}[bits]
    fits = all(-(2 ** (bits - 1)) <= value < 2 ** (bits - 1) for value in values)
    given = {"n": pl.Series(values, dtype=pl.Int64)}
    if fits:
        assert checked(given, {"n": kind}, len(values), "fail")["n"].to_list() == values
    else:
        with pytest.raises(Misfit, match="does not hold"):
            checked(given, {"n": kind}, len(values), "fail")
