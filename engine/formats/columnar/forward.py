"""Row ranges read from the start of their row group, a page at a time, by pyarrow.

It holds a page of each column, where Polars fetches all bytes of a row group. It also verifies page
checksums, which Polars ignores, and knows more types: files that have such are read here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine.formats.columnar.chunks import ColumnChunk
from engine.formats.columnar.columns import VIEW_BYTES, fixed_width, is_text
from engine.formats.columnar.fetch import Parts
from engine.formats.columnar.footer import Footer, footer
from engine.plan import Slice
from engine.storage import InputFile

_BUFFERS = 32 * 2**20
"""Bytes of the read buffers of all columns together."""

_LEAST = 16 * 2**10
"""Least bytes of the read buffer of one column."""

_NEAR, _FAR = 2**20, 4 * 2**20
"""Most bytes of that buffer, for a local file and for one where each read is a request."""

_BATCH_BYTES = 16 * 2**20
"""Bytes of numbers and views to ask for at once."""

_TEXT_BYTES = 64 * 2**20
"""Bytes of text values that are not codes to ask for at once."""

_BATCH = (1024, 65_536)
"""Least and most rows to ask for at once."""

_CODES = 4
"""Text of at most so many stored bytes a row is worth reading as codes of its dictionary."""

_SNIFFED = 1024
"""Files of which a process remembers whether they have checksums."""


def read_forward(
    file: InputFile, part: Slice, columns: Sequence[str], groups: range, parts: Parts | None = None
) -> pl.DataFrame:
    """Read a row range of row groups, from their start.

    Args:
        file: The file.
        part: Row range wanted.
        columns: Columns wanted.
        groups: Row groups that hold the range.
        parts: These groups, fetched; the file itself is read when left out.

    Returns:
        At most ``part.rows`` rows; fewer when the file ends early.

    Raises:
        OSError: Pages are damaged, or a checksum does not fit.
        pa.ArrowException: The same, found in another place.
    """
    foot = footer(file)
    coded = _coded(foot, groups[0], columns)
    most = _NEAR if file.local or parts else _FAR
    opened = pq.ParquetFile(
        parts.path if parts else _source(file),
        metadata=foot.metadata,
        read_dictionary=coded,
        buffer_size=max(_LEAST, min(most, _BUFFERS // len(columns))),
        pre_buffer=False,
        page_checksum_verification=True,
        arrow_extensions_enabled=False,
    )
    leaves = [foot.leaves[name] for name in columns]  # names with dots are ambiguous
    rows = _batch_rows(foot, groups[0], columns, coded)
    batches = opened.reader.iter_batches(rows, list(groups), leaves)
    return _taken(batches, part.start - foot.starts[groups[0]], part.rows, columns)


def read_excerpt(
    data: BinaryIO, foot: Footer, group: int, skipped: int, rows: int, columns: Sequence[str]
) -> pl.DataFrame:
    """Read rows of a file that was made of pages of a row group.

    Args:
        data: The small file; it has these columns and no others.
        foot: Footer of the large file.
        group: The row group.
        skipped: Rows of the small file that come before those wanted.
        rows: Rows wanted.
        columns: Its columns.

    Raises:
        OSError: Pages are damaged, or a checksum does not fit.
        pa.ArrowException: The same, found in another place.
    """
    coded = _coded(foot, group, columns)
    opened = pq.ParquetFile(
        data,
        read_dictionary=coded,
        pre_buffer=False,
        page_checksum_verification=True,
        arrow_extensions_enabled=False,
    )
    most = _batch_rows(foot, group, columns, coded)
    batches = opened.reader.iter_batches(most, [0], list(range(len(columns))))
    return _taken(batches, skipped, rows, columns)


def _taken(
    batches: Iterator[pa.RecordBatch], skipped: int, rows: int, columns: Sequence[str]
) -> pl.DataFrame:
    """Return some rows of batches, after others are skipped."""
    pieces = []
    for batch in batches:
        wanted = batch.slice(skipped, rows)
        skipped -= min(skipped, batch.num_rows)
        if wanted.num_rows:
            pieces.append(pl.DataFrame({name: values(wanted.column(name)) for name in columns}))
        rows -= wanted.num_rows
        if not rows:
            break
    return pl.concat(pieces, rechunk=False) if pieces else pl.DataFrame()


def _source(file: InputFile) -> str | pa.PythonFile:
    """Return what pyarrow reads from; it buffers by column, so that reading ahead is waste."""
    if file.local:
        return file.path
    stream = file.open()
    raw = stream.detach() if isinstance(stream, io.BufferedReader) else stream
    return pa.PythonFile(raw, mode="r")


def _batch_rows(foot: Footer, number: int, columns: Sequence[str], coded: Sequence[str]) -> int:
    """Return rows of a batch: enough to be worth a call for each column, and bounded in bytes."""
    kinds = [foot.schema[name] for name in columns]
    width = sum(VIEW_BYTES if is_text(kind) else fixed_width(kind) for kind in kinds)
    text = sum(
        foot.chunk(number, name).decoded
        for name, kind in zip(columns, kinds, strict=True)
        if is_text(kind) and name not in coded
    )
    rows = max(_BATCH[0], min(_BATCH[1], _BATCH_BYTES // width))
    fitting: int = _TEXT_BYTES * foot.rows_of(number) // max(1, text)
    return max(1, min(rows, fitting))


def _coded(foot: Footer, number: int, columns: Sequence[str]) -> list[str]:
    """Return the text columns that are stored as codes of a dictionary all through."""
    most = _CODES * foot.rows_of(number)
    return [
        name
        for name in columns
        if is_text(foot.schema[name])
        and (chunk := foot.chunk(number, name)).coded
        and chunk.decoded < most
    ]


def values(column: pa.Array) -> pl.Series:
    """Return an Arrow column as Polars' own, dictionary codes as the values they stand for."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if not pa.types.is_dictionary(column.type):
        return pl.Series(column)
    return values(column.dictionary).gather(values(column.indices))


@lru_cache(_SNIFFED)
def has_checksums(file: InputFile) -> bool:
    """Say whether the first page of a file carries a checksum, as then all pages do.

    A page header starts with its type and two sizes; field 4 is the CRC. In Thrift's compact
    protocol each is the byte 0x15 (next field, int32) and a variable-length integer.
    """
    first = ColumnChunk(*footer(file).figures[0, 0].item())
    head = file.read(first.start, min(first.stop, first.start + 32))
    at = 0
    for _ in range(3):
        if head[at : at + 1] != b"\x15":
            return False
        at += 1
        while at < len(head) and head[at] & 0x80:
            at += 1
        at += 1
    return head[at : at + 1] == b"\x15"
