"""A Dask DataFrame becomes a data set of the same rows, or an error names partition and column."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.data import frames, intake
from engine.data.dataset import Dataset
from engine.errors import InputError, OutputRefused, SpecError, TaskFailed
from engine.reserved import ROW

dd = pytest.importorskip("dask.dataframe")

KINDS = [
    pl.Boolean,
    pl.Int8,
    pl.UInt16,
    pl.Int64,
    pl.UInt64,
    pl.Float32,
    pl.Float64,
    pl.String,
    pl.Binary,
    pl.Date,
    pl.Time,
    pl.Datetime("ms"),
    pl.Datetime("us", "Europe/Paris"),
    pl.Datetime("ns", "UTC"),
    pl.Duration("us"),
    pl.Decimal(20, 3),
]


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes."""
    with connect(LocalCluster(workers=2, memory="500 MiB")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, in this thread where no cluster is asked for.

    By default Dask itself makes text of objects in `from_map`; what they hold would not be seen.
    """
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"scheduler": "synchronous", "dataframe.convert-string": False}):
        yield tmp_path


def rows_of(dataset: Dataset) -> pl.DataFrame:
    """Return all good rows."""
    columns = list(dataset.schema)
    parts = (dataset.source.read(p, columns).good for p in dataset.partitions(columns))
    empty = pl.DataFrame(schema=dict(dataset.schema))
    return pl.concat([empty, *(part.select(columns) for part in parts)])


def taken(frame: "dd.DataFrame", **options: Any) -> Dataset:
    """Return the frame as a data set."""
    return Dataset.open(str(intake.store(frame, **options)), format="parquet")


def made(make: Callable[[int], pd.DataFrame], parts: int, meta: pd.DataFrame) -> "dd.DataFrame":
    """Return a frame of parts that need not keep to the meta."""
    return dd.from_map(make, range(parts), meta=meta)


@given(dataframes(min_cols=1, max_cols=6, max_size=40, allowed_dtypes=KINDS, allow_null=True))
@settings(max_examples=15, deadline=None)
def test_there_and_back_the_rows_are_equal(table: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        half = table.height // 2
        for i, part in enumerate((table[:half], table[half:])):
            part.write_parquet(Path(folder) / f"{i}.parquet", row_group_size=7)
        dataset = Dataset.open(folder)
        columns = list(dataset.schema)
        parts = dataset.partitions(columns, 60)
        frame = frames.to_dask(dataset.source, parts, columns)
        again = taken(frame, folder=f"{folder}/again")
        assert again.schema == dataset.schema == dict(table.schema)
        # Polars writes NaN, and millrace reads NaN as missing.
        assert_frame_equal(rows_of(again), table.fill_nan(None), check_exact=True)


def test_all_kinds_of_pandas_columns_arrive() -> None:
    times = pd.date_range("2025-01-01", periods=6, freq="h", tz="Europe/Paris")
    table = pd.DataFrame(
        {
            "int": np.arange(6, dtype="int16"),
            "gaps": pd.array([1, None, 3, 4, None, 6], dtype="Int64"),
            "float": [0.5, np.nan, 1.5, 2.5, 3.5, 4.5],
            "object": pd.Series(["a", None, "c", "d", "e", "f"], dtype=object),
            "category": pd.Series(["x", "y", None, "x", "x", "y"], dtype="category"),
            "bool": [True, False] * 3,
            "when": times,
            7: range(6),
        }
    )
    with_objects = dd.from_pandas(table, npartitions=3)
    rows = rows_of(taken(with_objects))
    assert rows["gaps"].to_list() == [1, None, 3, 4, None, 6]
    assert rows["float"].to_list() == [0.5, None, 1.5, 2.5, 3.5, 4.5]
    assert rows["object"].to_list() == ["a", None, "c", "d", "e", "f"]
    assert rows["category"].to_list() == ["x", "y", None, "x", "x", "y"]
    assert rows["when"].dtype == pl.Datetime("us", "Europe/Paris")
    assert rows["when"].dt.hour().to_list() == list(range(6))
    assert rows["int"].dtype == pl.Int16 and rows.columns[-1] == "7"


def test_a_named_index_is_a_column_and_other_indices_are_not() -> None:
    table = pd.DataFrame({"a": [1, 2, 3, 4]}, index=pd.Index([10, 20, 30, 40], name="key"))
    frame = dd.from_pandas(table, npartitions=2)
    assert rows_of(taken(frame)).to_dict(as_series=False) == {
        "key": [10, 20, 30, 40],
        "a": [1, 2, 3, 4],
    }
    for name in (None, ROW):
        assert taken(dd.from_pandas(table.rename_axis(name), npartitions=2)).schema.keys() == {"a"}


def test_partitions_without_values_take_the_type_of_the_others() -> None:
    values: list[list[object]] = [[None, None], [1, 2], [None, 4]]
    meta = pd.DataFrame({"a": pd.Series([], dtype=object), "b": pd.Series([], dtype=object)})
    frame = made(lambda i: pd.DataFrame({"a": values[i], "b": [None, None]}, dtype=object), 3, meta)
    dataset = taken(frame)
    assert dataset.schema == {"a": pl.Int64(), "b": pl.String()}
    assert rows_of(dataset)["a"].to_list() == [None, None, 1, 2, None, 4]
    assert rows_of(dataset)["b"].null_count() == 6


def test_partitions_of_different_types_are_refused_by_name() -> None:
    meta = pd.DataFrame({"a": pd.Series([], dtype=object)})
    frame = made(lambda i: pd.DataFrame({"a": [1 if i < 2 else "x"]}, dtype=object), 3, meta)
    with pytest.raises(InputError) as caught:
        taken(frame)
    assert "int64 in partition 0 and large_string in partition 2" in caught.value.what
    assert caught.value.where == "column 'a'"


def test_a_partition_that_belies_the_meta_is_refused_by_name(session: Session) -> None:
    frame = made(_halves, 3, pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="truncated") as caught:
        taken(frame, client=session.client)
    assert caught.value.where == "partition 2, column 'a'"
    lost = made(lambda i: pd.DataFrame({"b" if i else "a": [1]}), 2, pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="other columns") as caught:
        taken(lost)
    assert caught.value.where == "partition 1, columns 'a', 'b'"


def _halves(i: int) -> pd.DataFrame:
    return pd.DataFrame({"a": [i, i + (0.5 if i == 2 else 0)]})


def _table(rows: int = 100) -> pd.DataFrame:
    return pd.DataFrame({"a": range(rows), "s": [f"t{i}" for i in range(rows)]})


def test_an_equal_frame_is_an_equal_data_set_and_a_changed_one_is_not(here: Path) -> None:
    one = taken(dd.from_pandas(_table(), npartitions=4))
    two = taken(dd.from_pandas(_table(), npartitions=4))
    assert one.fingerprint() == two.fingerprint()
    assert one.location == two.location
    changed = _table().assign(a=lambda t: t["a"].where(t["a"] != 50, 51))
    assert taken(dd.from_pandas(changed, npartitions=4)).fingerprint() != one.fingerprint()
    assert len(list((here / intake.STORE).iterdir())) == 2  # and no stage is left


def test_workers_write_it_and_nothing_but_names_comes_back(session: Session, here: Path) -> None:
    frame = dd.from_pandas(_table(), npartitions=5)
    dataset = taken(frame, folder=str(here / "given"), client=session.client)
    assert rows_of(dataset)["a"].to_list() == list(range(100))
    files = sorted(path.name for path in (here / "given").iterdir())
    assert [name[:11] for name in files] == [f"part-{i:05d}-" for i in range(5)]
    assert {(here / "given" / name).stat().st_mtime_ns for name in files} == {0}
    assert os.listdir(here) == ["given"]


def test_the_current_client_is_used(session: Session) -> None:
    frame = dd.from_map(_who, range(2), meta=_who(0))
    with session.client.as_current(), dask.config.set(scheduler=None):
        workers = set(rows_of(taken(frame))["pid"])
    assert os.getpid() not in workers


def _who(_: int) -> pd.DataFrame:
    return pd.DataFrame({"pid": [os.getpid()]})


def test_each_partition_is_computed_once(here: Path) -> None:
    def counted(i: int) -> pd.DataFrame:
        with open(here / "log", "a") as log:
            log.write(f"{i}\n")
        return pd.DataFrame({"a": pd.Series([None if i else 1], dtype=object)})

    taken(made(counted, 4, pd.DataFrame({"a": pd.Series([], dtype=object)})))
    assert sorted((here / "log").read_text().split()) == ["0", "1", "2", "3"]


def test_a_folder_that_holds_something_else_is_left_alone(here: Path) -> None:
    frame = dd.from_pandas(_table(), npartitions=2)
    first = taken(frame, folder="given")
    assert taken(frame, folder="given").fingerprint() == first.fingerprint()
    other = dd.from_pandas(_table(50), npartitions=2)
    with pytest.raises(OutputRefused, match="something else"):
        taken(other, folder="given")
    assert rows_of(Dataset.open("given")).height == 100
    (here / "empty").mkdir()
    assert taken(other, folder="empty").rows == 50
    with pytest.raises(SpecError, match="folder"):
        taken(other, folder="s3://bucket/frame")


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"a": [1]}), "not a Dask DataFrame"),
        (dd.from_pandas(pd.DataFrame({"a": [1]}))["a"], "Series, not a Dask DataFrame"),
        (dd.from_pandas(pd.DataFrame({ROW: [1]})), "taken by the row number"),
        (dd.from_pandas(pd.DataFrame({"1": [1], 1: [1]})), "two columns of the frame are named"),
        (dd.from_pandas(pd.DataFrame({"a": [1 + 2j]})), "complex128"),
        (dd.from_pandas(pd.DataFrame(index=[1, 2])), "no columns"),
    ],
)
def test_what_cannot_be_a_data_set_is_refused_before_anything_runs(
    frame: Any, says: str, here: Path
) -> None:
    with pytest.raises(SpecError, match=says):
        taken(frame)
    assert not list(here.iterdir())


def test_errors_of_the_frame_itself_are_told_and_leave_nothing(
    session: Session, here: Path
) -> None:
    broken = dd.from_map(_broken, range(2), meta=_who(0))
    with pytest.raises(TaskFailed, match="ZeroDivisionError"):
        taken(broken, client=session.client)
    assert not list((here / intake.STORE).iterdir())


def _broken(_: int) -> pd.DataFrame:
    return pd.DataFrame({"pid": [1 // 0]})


def test_a_task_whose_worker_dies_is_run_again(session: Session, here: Path) -> None:
    frame = dd.from_map(_dies_once, range(4), folder=str(here), meta=_who(0))
    assert sorted(rows_of(taken(frame, client=session.client))["pid"]) == [0, 1, 2, 3]


def _dies_once(i: int, folder: str) -> pd.DataFrame:
    mark = Path(folder) / "died"
    if i == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return pd.DataFrame({"pid": [i]})


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    target = intake._Target(tmp_path / "elsewhere", {"a": None})
    with pytest.raises(OutputRefused, match="does not see"):
        intake._write(pd.DataFrame({"a": [1]}), target, partition_info={"number": 0})
    assert not (tmp_path / "elsewhere").exists()


def test_a_large_partition_has_small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "TARGET_BYTES", 10_000)
    dataset = taken(dd.from_pandas(pd.DataFrame({"a": np.arange(10_000.0)}), npartitions=1))
    (file,) = dataset.source.files
    groups = pq.ParquetFile(file.path).metadata
    assert groups.num_row_groups == 8 and groups.row_group(0).num_rows == 1250
    assert rows_of(dataset)["a"].sum() == 49_995_000


def test_a_frame_without_rows_is_a_data_set_without_rows() -> None:
    frame = dd.from_pandas(_table(), npartitions=3)
    dataset = taken(frame[frame["a"] < 0])
    assert dataset.rows == 0 and dataset.schema == {"a": pl.Int64(), "s": pl.String()}
