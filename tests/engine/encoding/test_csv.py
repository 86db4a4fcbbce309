"""CSV: every reader gets the rows back, and no spreadsheet runs one."""

from __future__ import annotations

import csv
import gzip
import io
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.encoding import Encoding
from engine.errors import SpecError

FLOATS = st.none() | st.floats()
SINGLES = st.none() | st.floats(width=32)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def content(table: pl.DataFrame, form: Any = "csv", *, safe: bool = True) -> bytes:
    (file,) = Encoding(form, formula_safe=safe).files(table)
    assert (file.rows, file.suffix) == (table.height, f".{form}")
    return bytes(file.content)


def cells(table: pl.DataFrame, *, safe: bool = True) -> list[list[str]]:
    text = content(table, safe=safe).decode("utf-8")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.lists(st.tuples(TEXTS, FLOATS, SINGLES, st.none() | st.integers(-(2**63), 2**63 - 1))))
@settings(max_examples=150, deadline=None)
def test_any_table_comes_back_bit_by_bit(rows: list[tuple[Any, ...]]) -> None:
    schema = {"t": pl.String, "x": pl.Float64, "y": pl.Float32, "n": pl.Int64}
    table = pl.DataFrame(rows, schema=schema, orient="row")
    text = content(table, safe=False)
    assert_frame_equal(
        pl.read_csv(text, schema=schema),
        table,
        check_exact=True,
    )
    header, *found = cells(table, safe=False)
    assert header == list(schema) and len(found) == len(rows)
    for (text_cell, x, y, n), row in zip(found, table.rows(), strict=True):
        assert text_cell == (row[0] or "")
        assert (n == "") if row[3] is None else int(n) == row[3]
        for cell, value in ((x, row[1]), (y, row[2])):
            assert (cell == "") if value is None else same(float(cell), value, cell is y)


def same(found: float, value: float, single: bool) -> bool:
    kind = pl.Float32 if single else pl.Float64
    one, other = pl.Series([found, value], dtype=kind)
    return (math.isnan(one) and math.isnan(other)) or (
        one == other and math.copysign(1, one) == math.copysign(1, other)
    )


@given(st.lists(TEXTS, min_size=1))
@settings(max_examples=150, deadline=None)
def test_no_cell_of_text_begins_a_formula(texts: list[str | None]) -> None:
    table = pl.DataFrame({"t": texts, "i": range(len(texts))}, schema_overrides={"t": pl.String})
    for cell, text in zip([row[0] for row in cells(table)[1:]], texts, strict=True):
        assert not cell.startswith(tuple("=+-@\t\r\n"))
        assert cell in (text or "", f"'{text}")


@pytest.mark.parametrize("first", list("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
def test_what_begins_a_formula_is_marked(first: str) -> None:
    formula = f'{first}cmd|" /C calc"!A0'
    table = pl.DataFrame({formula: [formula, f" {formula}"], "x": [-1.5, 2.0]})
    table = table.with_columns(c=pl.Series([formula, "b"], dtype=pl.Categorical))
    marked = "'" + formula
    assert cells(table) == [
        [marked, "x", "c"],
        [marked, "-1.5", marked],
        [f" {formula}", "2.0", "b"],
    ]
    assert cells(table, safe=False)[0][0] == formula


def test_kinds_are_written_as_iso_and_quoted_as_rfc_4180_says() -> None:
    berlin = timezone(timedelta(hours=1))
    table = pl.DataFrame(
        {
            "d": [date(2024, 2, 29)],
            "at": [datetime(2024, 1, 1, 1, 2, 3, 4)],
            "z": [datetime(2024, 1, 1, 1, tzinfo=berlin)],
            "ns": pl.Series([datetime(2024, 1, 1, tzinfo=UTC)], dtype=pl.Datetime("ns", "UTC")),
            "h": [time(1, 2, 3)],
            "yes": [True],
            "dec": [Decimal("1.50")],
            "q": ['a"b,c\r\nd'],
        }
    )
    assert content(table) == (
        b"d,at,z,ns,h,yes,dec,q\r\n2024-02-29,2024-01-01T01:02:03.000004,"
        b"2024-01-01T00:00:00.000000Z,2024-01-01T00:00:00.000000000Z,01:02:03.000000000,true,1.50,"
        b'"a""b,c\r\nd"\r\n'
    )


def test_a_missing_value_in_the_only_column_is_a_row() -> None:
    table = pl.DataFrame({"p": [0.5, None, 1.5]})
    assert cells(table) == [["p"], ["0.5"], [""], ["1.5"]]
    assert content(table).count(b"\r\n\r\n") == 0


def test_no_rows_are_a_header() -> None:
    assert content(pl.DataFrame(schema={"a": pl.Int8, "b": pl.String})) == b"a,b\r\n"


def test_packed_files_hold_the_same_text_in_the_same_bytes() -> None:
    table = pl.DataFrame({"i": range(200_000), "x": [i / 7 for i in range(200_000)]})
    plain, gzipped, zstd = (content(table, form) for form in ("csv", "csv.gz", "csv.zst"))
    assert gzip.decompress(gzipped) == plain
    assert pa.CompressedInputStream(pa.BufferReader(zstd), "zstd").read() == plain
    assert content(table, "csv.gz") == gzipped and content(table, "csv.zst") == zstd
    assert gzipped[4:8] == b"\0\0\0\0", "no time in the header"
    chunked = pl.concat([table[i : i + 7_777] for i in range(0, 200_000, 7_777)], rechunk=False)
    assert (content(chunked), content(chunked, "csv.gz")) == (plain, gzipped)
    assert content(chunked, "csv.zst") == zstd


@pytest.mark.parametrize("values", [[[1]], [{"a": 1}], [b"x"], [timedelta(1)]])
def test_what_has_no_text_is_refused(values: list[Any]) -> None:
    with pytest.raises(SpecError, match="CSV cannot hold column 'v'"):
        content(pl.DataFrame({"v": values}))
