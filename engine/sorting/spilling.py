"""Sorted rows in a file, cut into ranges: one task writes it, each range's task reads a bit of it.

Each range is an Arrow stream of its own, compressed with lz4; where they begin stands at the end of
the file. Text is stored with each distinct value of a range once, and is held so when it is read:
a Parquet file tells how much text it stores, not how much that is when repeats are written out.
"""

from __future__ import annotations

import os
import struct
import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa

from engine.errors import MillraceError

SLICE = 2**14
"""Rows whose text is written out at the same time."""

_PLACE = struct.Struct("<q")
_OLDEST = pl.CompatLevel.oldest()


def write(path: Path, rows: pl.DataFrame, edges: Sequence[int]) -> None:
    """Write the rows between each two edges as a range; the file is there whole or not at all.

    Args:
        path: The file; what is there is replaced.
        rows: Without categories.
        edges: First row of each range, and the number of rows.

    Raises:
        OSError: The disk is full or failed.
    """
    scratch = path.with_suffix(f".{uuid.uuid4().hex}")
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    places = []
    with pa.OSFile(str(scratch), "wb") as sink:
        for low, high in pairwise(edges):
            places.append(sink.tell())
            batch = _batch(rows[low:high])
            with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
                stream.write_batch(batch)
        sink.write(b"".join(map(_PLACE.pack, places)))
    os.replace(scratch, path)


def read(path: Path, index: int, ranges: int) -> pl.DataFrame:
    """Read one range.

    Args:
        path: The file.
        index: The range, from 0.
        ranges: How many there are.

    Raises:
        MillraceError: The file is gone.
    """
    try:
        with pa.memory_map(str(path)) as file:
            file.seek(file.size() - _PLACE.size * (ranges - index))
            file.seek(*_PLACE.unpack(file.read(_PLACE.size)))
            with pa.ipc.open_stream(file) as stream:
                batch = stream.read_next_batch()
    except FileNotFoundError as error:
        hint = "does another run write the same output? run again: the finished parts are kept"
        raise MillraceError("The spilled rows are gone.", where=str(path), hint=hint) from error
    columns = map(_series, batch.columns)
    return pl.DataFrame(dict(zip(batch.schema.names, columns, strict=True)))


def _batch(rows: pl.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({column.name: _array(column) for column in rows})


def _array(column: pl.Series) -> pa.Array:
    """Return a column as it is stored: text by its distinct values."""
    if column.dtype not in (pl.String, pl.Binary):
        return column.to_arrow(compat_level=_OLDEST)
    slices = (column[low : low + SLICE] for low in range(0, max(1, len(column)), SLICE))
    told = [one.to_arrow(compat_level=_OLDEST).dictionary_encode() for one in slices]
    return pa.chunked_array(told).unify_dictionaries().combine_chunks()


def _series(column: pa.Array) -> pl.Series:
    if not pa.types.is_dictionary(column.type):
        return pl.Series(column)
    return pl.Series(column.dictionary).gather(pl.Series(column.indices))
