"""Parquet files: bytes that depend on rows alone, and what stands in them."""

from __future__ import annotations

import hashlib
import io

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.encoding import encoded, parquet_bytes
from engine.encoding.parquet import GROUP

FACTS = {"millrace.run": "ab12", "millrace.model": "cd34"}


def scores(rows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": range(rows),
            "carrier": [("AA", "DL", None, "ü" * 40)[i % 4] for i in range(rows)],
            "probability": [i / 7 for i in range(rows)],
            "reasons": [["a", str(i % 3)] for i in range(rows)],
            "top": [[i, i + 1] for i in range(rows)],
        }
    )


@given(st.lists(st.integers(1, 5_000), max_size=6))
@settings(max_examples=30, deadline=None)
def test_bytes_do_not_show_the_chunks(cuts: list[int]) -> None:
    whole, pieces, low = scores(6_000), [], 0
    for size in cuts:
        pieces.append(whole[low : low + size])
        low += size
    chunked = pl.concat([*pieces, whole[low:]], rechunk=False).to_arrow()
    assert bytes(parquet_bytes(chunked)) == bytes(parquet_bytes(whole.to_arrow()))


def test_pages_end_where_rows_say_and_not_where_chunks_end() -> None:
    """Written chunk by chunk, a page of long texts would end with its chunk of 700 rows."""
    rows = pl.DataFrame({"text": [hashlib.sha512(b"%d" % i).hexdigest() * 4 for i in range(9_000)]})
    chunked = pl.concat([rows[i : i + 700] for i in range(0, 9_000, 700)], rechunk=False)
    assert chunked.n_chunks() > 1
    assert bytes(parquet_bytes(chunked.to_arrow())) == bytes(parquet_bytes(rows.to_arrow()))


def test_rows_come_back_with_row_groups_that_can_be_skipped() -> None:
    rows = pl.DataFrame({"id": range(GROUP + 5), "p": [0.25] * (GROUP + 5)})
    content = io.BytesIO(parquet_bytes(rows.to_arrow()))
    metadata = pq.read_metadata(content)
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [GROUP, 5]
    assert groups[1].column(0).statistics.min == GROUP
    assert_frame_equal(pl.read_parquet(content.getvalue()), rows)


def test_facts_stand_in_the_file_and_not_in_its_schema() -> None:
    file = encoded(scores(3).to_arrow(), FACTS)
    metadata = pq.read_metadata(io.BytesIO(file.content)).metadata
    assert {k.decode(): v.decode() for k, v in metadata.items() if k != b"ARROW:schema"} == FACTS
    reverse = dict(reversed(FACTS.items()))
    assert bytes(encoded(scores(3).to_arrow(), reverse).content) == bytes(file.content)
    assert file.rows == 3


def encodings(rows: pl.DataFrame) -> dict[str, set[str]]:
    group = pq.read_metadata(io.BytesIO(parquet_bytes(rows.to_arrow()))).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    assert all(column.compression == "ZSTD" for column in columns)
    return {column.path_in_schema: set(column.encodings) for column in columns}


def test_each_kind_of_column_has_its_encoding() -> None:
    found = encodings(scores(200))
    assert "DELTA_BINARY_PACKED" in found["id"]
    assert "RLE_DICTIONARY" in found["carrier"]
    assert "RLE_DICTIONARY" not in found["probability"]
    assert "RLE_DICTIONARY" in found["reasons.list.element"]
    assert "DELTA_BINARY_PACKED" in found["top.list.element"]


def test_a_flipped_bit_of_a_page_is_seen() -> None:
    content = bytearray(parquet_bytes(scores(500).to_arrow()))
    content[100] ^= 1
    with pytest.raises(OSError):
        pq.read_table(pa.BufferReader(bytes(content)), page_checksum_verification=True)


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["b", "a"])])
def test_categories_are_words(kind: pl.DataType) -> None:
    rows = pl.DataFrame({"c": pl.Series(["a", "b", None], dtype=kind)})
    back = pl.read_parquet(io.BytesIO(parquet_bytes(rows.to_arrow())))
    assert back.to_dict(as_series=False) == {"c": ["a", "b", None]}
    assert back.schema == {"c": pl.String}
