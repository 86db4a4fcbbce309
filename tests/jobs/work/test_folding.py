"""Folds of a job file, held against the columns of its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from engine.errors import MillraceError
from engine.folds import Folds
from engine.reserved import TARGET
from jobs.spec.data import DataSpec
from jobs.spec.folds import FoldsSpec
from jobs.work.folding import folds_of
from jobs.work.opening import open_data


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Return the path of a table with times of several kinds."""
    frame = pl.DataFrame(
        {"day": [0], "at": [0], "ms": [0], "clock": [0], "year": [0], "who": ["a"]},
        schema={
            "day": pl.Date,
            "at": pl.Datetime("us"),
            "ms": pl.Datetime("ms", "UTC"),
            "clock": pl.Time,
            "year": pl.Int32,
            "who": pl.String,
        },
    )
    frame.write_parquet(tmp_path / "table.parquet")
    return str(tmp_path / "table.parquet")


def _folds(table: str, given: dict[str, Any], **data: Any) -> Folds:
    spec = DataSpec(path=table, **data)
    dataset = open_data("history", spec, {})
    return folds_of(FoldsSpec(**given), spec, dataset, "train.cross_validate")


@pytest.mark.parametrize(
    ("column", "gap", "units"),
    [
        ("day", "7d", 7.0),
        ("day", "12h", 0.5),
        ("at", "1.5s", 1.5e6),
        ("ms", "2m", 120e3),
        ("clock", "1s", 1e9),
        ("year", 2, 2.0),
        ("at", None, 0.0),
    ],
)
def test_a_gap_is_told_in_units_of_its_column(
    table: str, column: str, gap: str | float | None, units: float
) -> None:
    found = _folds(table, {"by": "time", "column": column, "gap": gap})
    assert (found.columns, found.gap) == ((column,), units)


def test_columns_that_are_not_named_are_those_of_the_data(table: str) -> None:
    assert _folds(table, {"by": "time"}, time="at").columns == ("at",)
    assert _folds(table, {"by": "stratified"}).columns == (TARGET,)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"by": "time"}, "folds by time need a time column"),
        ({"by": "time", "column": "who"}, "need times or numbers"),
        ({"by": "time", "column": "year", "gap": "7d"}, "give a number"),
        ({"by": "time", "column": "at", "gap": 7}, 'give a span such as "7d"'),
        ({"by": "group", "column": "whom"}, "whom"),
    ],
)
def test_columns_that_do_not_go_are_refused(table: str, given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(MillraceError, match=wrong):
        _folds(table, given)
