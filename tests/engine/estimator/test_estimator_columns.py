"""Features of a table: which there are, and rows of them as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SpecError
from engine.estimator.columns import Categorical, Columns

TYPES: dict[str, pl.DataType] = {
    "n": pl.Int64(),
    "f": pl.Float64(),
    "b": pl.Boolean(),
    "e": pl.Enum(["u", "v"]),
    "s": pl.String(),
    "nothing": pl.Null(),
}


def frame(**columns: Sequence[Any] | pl.Series) -> pl.DataFrame:
    return pl.DataFrame(columns)


def matrix(rows: pl.DataFrame, categorical: Categorical = "auto") -> np.ndarray:
    columns = Columns.of_frame(rows.schema, categorical)
    return columns.matrix(rows, columns.levels(rows))


def test_what_a_column_holds_is_told_by_its_type_and_by_the_user() -> None:
    columns = Columns.of_frame(TYPES, ["n", 4])
    assert columns.kinds == ("code", "number", "number", "level", "level", "number")
    assert columns.categorical == (0, 3, 4)
    assert columns.levelled == (3, 4)


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (pl.String(), "categorical_feature"),
        (pl.Date(), "FeatureTransformer"),
        (pl.Binary(), "FeatureTransformer"),
        (pl.List(pl.Int64), "FeatureTransformer"),
    ],
)
def test_a_column_that_is_no_feature_is_refused_with_a_way_out(
    kind: pl.DataType, hint: str
) -> None:
    with pytest.raises(SpecError, match=hint) as caught:
        Columns.of_frame({"odd": kind}, "auto")
    assert isinstance(caught.value, ValueError)
    assert "'odd'" in caught.value.what


@pytest.mark.parametrize("asked", [["coulour"], [6], [-1], "c"])
def test_a_category_that_is_no_feature_is_refused(asked: Any) -> None:
    with pytest.raises(SpecError):
        Columns.of_frame(TYPES, asked)


def test_the_nearest_name_is_told() -> None:
    with pytest.raises(SpecError, match="did you mean 'colour'"):
        Columns.of_frame({"colour": pl.Int8()}, ["coulour"])


def test_numbers_flags_and_missing_values_are_float32() -> None:
    x = matrix(frame(n=[1, None, -3], f=[0.1, float("nan"), 1e300], b=[True, None, False]))
    expected = [[1, 0.1, 1], [np.nan, np.nan, np.nan], [-3, np.inf, 0]]
    np.testing.assert_array_equal(x, np.array(expected, np.float32))
    assert x.dtype == np.float32 and x.flags.c_contiguous and x.flags.writeable


def test_codes_are_whole_and_below_zero_is_missing() -> None:
    x = matrix(frame(n=[2.7, -1.0, None, 0.0]), ["n"])
    np.testing.assert_array_equal(x[:, 0], [2, np.nan, np.nan, 0])


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Enum(["z", "y", "x", "unused"])])
def test_codes_of_text_are_places_among_sorted_levels(kind: pl.DataType) -> None:
    rows = frame(c=pl.Series(["y", "x", None, "z", "x"], dtype=kind))
    columns = Columns.of_frame(rows.schema, ["c"])
    assert columns.levels(rows) == {0: ("x", "y", "z")}
    np.testing.assert_array_equal(matrix(rows, ["c"])[:, 0], [1, 0, np.nan, 2, 0])


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_an_unseen_level_is_missing(kind: pl.DataType) -> None:
    rows = frame(c=pl.Series(["x", "new", None], dtype=kind))
    columns = Columns.of_frame(rows.schema, ["c"])
    np.testing.assert_array_equal(columns.matrix(rows, {0: ("w", "x")})[:, 0], [1, np.nan, np.nan])
    np.testing.assert_array_equal(columns.matrix(rows, {0: ()})[:, 0], [np.nan] * 3)


@given(st.lists(st.none() | st.text(max_size=3), max_size=30))
def test_text_comes_back_from_codes(values: list[str | None]) -> None:
    rows = frame(c=pl.Series(values, dtype=pl.String))
    columns = Columns.of_frame(rows.schema, ["c"])
    levels = columns.levels(rows)
    x = columns.matrix(rows, levels)[:, 0]
    assert [None if np.isnan(code) else levels[0][int(code)] for code in x] == values


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.bool_, object])
def test_an_array_of_any_numbers_is_taken(dtype: type) -> None:
    x = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    columns = Columns.of_array(2, [1])
    made = columns.matrix(np.asfortranarray(x), {})
    assert made.flags.c_contiguous and made.dtype == np.float32
    np.testing.assert_array_equal(made, x.astype(np.float32))
    assert columns.names == ("Column_0", "Column_1") and not columns.named


def test_text_where_numbers_were_is_refused() -> None:
    columns = Columns.of_frame({"n": pl.Int64(), "c": pl.Enum(["u"])}, "auto")
    columns.assert_in({"c": pl.String(), "n": pl.Float32(), "more": pl.Date()}, "here")
    with pytest.raises(SpecError, match="was a number in the fit"):
        columns.assert_in({"n": pl.String(), "c": pl.String()}, "here")
    with pytest.raises(SpecError, match="no column 'c'"):
        columns.assert_in({"n": pl.Int64()}, "here")
