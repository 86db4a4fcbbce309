"""Hive partitions: what five readers make of the folders is what was written."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.encoding import Encoding, hive
from engine.errors import OutputRefused, SpecError

Rows = list[tuple[Any, ...]]

NASTY = ["a/b", "x=y", "100%", "%2F", ".", "..", "é", "e\u0301", " ", "a b", "'q'", '"', "*", "?"]
NASTY += ["A", "a", "CON", "nul.", "\\", ":", "a\nb", "\t", "~", "+", "#x", "null", "日本", "\x7f"]

LISTED = ("polars", "pyarrow", "duckdb", "dask", "pandas")


def written(table: pl.DataFrame, folder: Path, encoding: Encoding) -> None:
    for file in encoding.files(table):
        number = 0 if file.piece is None else file.piece
        path = folder / file.folder / f"part-00000-{number:05d}{file.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert not path.exists()
        path.write_bytes(file.content)


def read(reader: str, folder: Path, key: str, kind: pa.DataType, columns: list[str]) -> Rows:
    """Return the rows by column; the type of the key is told where a reader would guess it."""
    how = ds.partitioning(pa.schema([(key, kind)]), flavor="hive")
    if reader == "polars":
        typed = {key: pl.Series(pa.array([], kind)).dtype}
        found = pl.read_parquet(f"{folder}/**/*.parquet", hive_schema=typed)
    elif reader == "pyarrow":
        found = pl.DataFrame(ds.dataset(folder, partitioning=how).to_table())
    elif reader == "pandas":
        pandas = pytest.importorskip("pandas")
        found = pl.DataFrame(pa.Table.from_pandas(pandas.read_parquet(folder, partitioning=how)))
    elif reader == "dask":
        dask = pytest.importorskip("dask.dataframe")
        schema = {"flavor": "hive", "schema": pa.schema([(key, kind)])}
        frame = dask.read_parquet(str(folder), dataset={"partitioning": schema}).compute()
        found = pl.DataFrame(pa.Table.from_pandas(frame, preserve_index=False))
    else:
        query = f"select * from read_parquet('{folder}/**/*.parquet', hive_partitioning=true"
        typed_as = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.date32(): "DATE"}[kind]
        found = duckdb.sql(f"{query}, hive_types={{'{key}': {typed_as}}})").pl()
    return sorted(found.select(columns).rows(), key=lambda row: row[-1])


@pytest.mark.parametrize("reader", LISTED)
def test_every_text_comes_back(reader: str, tmp_path: Path) -> None:
    table = pl.DataFrame({"k": [*NASTY, None, "a"], "i": range(len(NASTY) + 2)})
    written(table, tmp_path, Encoding(partition_by=("k",)))
    assert read(reader, tmp_path, "k", pa.string(), ["k", "i"]) == table.rows()


@pytest.mark.parametrize("reader", LISTED)
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [3, -3, 3, None, 2**40]),
        (pa.date32(), [date(2024, 1, 31), None, date(1969, 1, 1)]),
    ],
)
def test_numbers_and_dates_come_back(
    reader: str, kind: pa.DataType, values: list[Any], tmp_path: Path
) -> None:
    table = pl.DataFrame({"k": values, "i": range(len(values))})
    written(table, tmp_path, Encoding(partition_by=("k",)))
    assert read(reader, tmp_path, "k", kind, ["k", "i"]) == table.rows()


TEXTS = st.text(max_size=20).filter(lambda text: text not in ("", hive.MISSING))


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | st.booleans())), st.integers(1, 4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_row_is_lost_and_none_changes_its_value(
    keys: list[tuple[str | None, bool | None]], rows_per_file: int
) -> None:
    table = pl.DataFrame(
        {"k": [k for k, _ in keys], "flag": [f for _, f in keys], "i": range(len(keys))},
        schema={"k": pl.String, "flag": pl.Boolean, "i": pl.Int64},
    )
    found, last = [], ("", -1)
    for file in Encoding(partition_by=("k", "flag"), rows_per_file=rows_per_file).files(table):
        assert last < (file.folder, file.piece or 0) and file.rows <= rows_per_file
        last = (file.folder, file.piece or 0)
        assert len(file.folder.split("/")) == 2 and file.folder.isascii()
        told, rows = hive.values(file.folder), pl.read_parquet(bytes(file.content))
        assert rows.columns == ["i"] and rows.height == file.rows
        flag = {"true": True, "false": False, None: None}[told["flag"]]
        found += [(told["k"], flag, i) for i in rows["i"]]
    assert sorted(found, key=lambda row: row[2]) == table.rows()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([0.5], "partitioned by 'k', which is Float64"),
        ([[1]], "partitioned by 'k', which is List"),
        (["a", ""], "all readers take: ''"),
        ([hive.MISSING], "all readers take"),
        (["é" * 90], "a folder name of 542 bytes"),
        (list(range(1_001)), "column 'k' has 1,001 values"),
    ],
)
def test_what_makes_no_folder_is_refused(values: list[Any], says: str) -> None:
    table = pl.DataFrame({"other": [1] * len(values), "k": values, "i": range(len(values))})
    with pytest.raises(SpecError) as refused:
        Encoding(partition_by=("other", "k")).files(table)
    assert says in str(refused.value) and "'k'" in str(refused.value)


@pytest.mark.parametrize("name", ["_k", ".k", "a=b", "a/b", "é", "a b"])
def test_names_that_readers_skip_or_split_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="no name for folders"):
        Encoding(partition_by=(name,)).files(pl.DataFrame({name: [1], "i": [1]}))


def test_a_column_must_be_left() -> None:
    with pytest.raises(SpecError, match="no column would be left"):
        Encoding(partition_by=("k",)).files(pl.DataFrame({"k": [1]}))


def test_no_rows_make_no_folder_and_a_file_of_columns_without_partitions() -> None:
    table = pl.DataFrame({"k": ["a"], "i": [1]})[:0]
    assert Encoding(partition_by=("k",)).files(table) == []
    (file,) = Encoding().files(table)
    assert (file.rows, file.folder, file.piece) == (0, "", None)


def test_a_file_system_that_does_not_tell_case_apart_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"k": pl.String(), "n": pl.Int8()}
    hive.refuse_case_blind(tmp_path, schema, ["k"])
    assert list(tmp_path.iterdir()) == []
    folded = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda path: folded(Path(str(path).replace("PROBE", "probe")))
    )
    hive.refuse_case_blind(tmp_path, schema, ["n"])
    with pytest.raises(OutputRefused, match="tell `A` from `a`"):
        hive.refuse_case_blind(tmp_path, schema, ["n", "k"])
    assert list(tmp_path.iterdir()) == []
