"""The third pass of a sort, in the workers: a range is put together, staged and read back.

See `engine.sorting.sort` for how the passes make a sort.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from engine import process
from engine.commit import Encoded, PartRecord, Run, StagedFile
from engine.encoding import encoded
from engine.errors import MillraceError
from engine.ledger import Ledger
from engine.plan import Partition
from engine.reserved import ROW
from engine.sorting import spilling
from engine.sorting.order import comparable, first_unsorted
from engine.sorting.tasks import (
    OTHER_ROWS,
    REPORT,
    WRAP,
    Spilled,
    content_of,
    empty,
    rejected_file,
    spill_file,
)

_READ_BACK = 2**14
"""Rows of a part that are looked at together."""


@dataclass(frozen=True)
class Merging:
    """Work of the third pass.

    Attributes:
        types: Columns of the output.
        by: What they are sorted by.
        folder: Where partitions were spilled.
        spills: How many.
        rejected: Partitions whose rejected rows each part has.
        spilled: What was read and spilled, all partitions together. The record of the first part
            carries the ledger.
        run: The run of the output.
        done: Parts that an earlier run has staged.
    """

    types: Mapping[str, pl.DataType]
    by: tuple[str, ...]
    folder: Path
    spills: int
    rejected: Sequence[Sequence[int]]
    spilled: Spilled
    run: Run
    done: Mapping[int, PartRecord]


def merge(work: Merging, partition: Partition) -> pl.DataFrame:
    """Stage a range as a part, unless that was done, and read it back. Runs in a task.

    Returns:
        Keys of the first and the last row of each piece that was looked at.

    Raises:
        MillraceError: Rows were lost, doubled or changed, or are not in order.
    """
    record = work.done.get(partition.index) or _stage(work, partition)
    (file,) = record.data
    name = file.name
    rows = content = 0
    ends = [comparable(empty(work.types), work.by)]
    for piece in _read_back(work.run, file, work.types):
        if (early := first_unsorted(piece, work.by)) is not None:
            where = f"{name}, row {rows + early}"
            raise MillraceError("This part is not sorted.", where=where, hint=REPORT)
        rows, content = rows + piece.height, content + content_of(piece)
        ends += [comparable(piece[[0, -1]], work.by)] if piece.height else []
    if not _as_spilled(work, partition, rows, content % WRAP):
        hint = "delete this one file and run again"
        raise MillraceError("This staged file holds other rows.", where=name, hint=hint)
    return pl.concat(ends)


def _as_spilled(work: Merging, partition: Partition, rows: int, content: int) -> bool:
    spilled, index = work.spilled, partition.index
    if index >= len(spilled.ranges):
        return rows == 0
    return (rows, content) == (spilled.ranges[index], spilled.contents[index])


def _stage(work: Merging, partition: Partition) -> PartRecord:
    index, first = partition.index, partition.index == 0
    rows = _range(work, index)
    if not _as_spilled(work, partition, rows.height, content_of(rows)):
        # Before it is staged: what is staged stays.
        raise MillraceError(OTHER_ROWS, where=f"range {index}", hint=REPORT)
    ledger = work.spilled.ledger if first else Ledger()
    staged = work.run.stage(
        index,
        [encoded(_table(rows))],
        _rejected(work, index),
        rows_in=partition.rows,
        filtered=work.spilled.ledger.total.filtered if first else 0,
        reasons=ledger.reasons,
        inputs=ledger.files,
        missing=work.spilled.missing if first else {},
        worker=process.name(),
    )
    return staged.record


def _range(work: Merging, index: int) -> pl.DataFrame:
    """Return the rows of a range in order; none for a part that has rejected rows alone."""
    ranges = len(work.spilled.ranges)
    if index >= ranges:
        return empty(work.types)
    files = (spill_file(work.folder, i) for i in range(work.spills))
    rows = pl.concat(spilling.read(path, index, ranges) for path in files)
    order = rows.select(pl.arg_sort_by(*work.by, ROW)).to_series()
    # Column by column, so that rows are not held twice.
    columns = (rows.drop_in_place(name).rechunk() for name in work.types)
    ordered = pl.DataFrame([column.gather(order) for column in columns])
    # Allocators keep the pieces otherwise, beside what writing takes: up to one range (measured).
    process.give_back()
    return ordered


def _table(rows: pl.DataFrame) -> pa.Table:
    """Return rows, text as views, in slices: the writer writes out the text of one at a time."""
    views, size = pl.CompatLevel.newest(), spilling.SLICE
    starts = range(0, max(1, rows.height), size)
    return pa.concat_tables(rows[low : low + size].to_arrow(compat_level=views) for low in starts)


def _rejected(work: Merging, index: int) -> list[Encoded]:
    """Return the rejected rows that a part has."""
    some = work.rejected[index] if index < len(work.rejected) else ()
    tables = [pl.read_parquet(rejected_file(work.folder, i)) for i in some]
    # Partitions with malformed lines have one column more.
    return [encoded(pl.concat(tables, how="diagonal").to_arrow())] if tables else []


def _read_back(
    run: Run, staged: StagedFile, types: Mapping[str, pl.DataType]
) -> Iterator[pl.DataFrame]:
    """Yield the rows of a written part, a few at a time."""
    with run.open(staged) as stream, pq.ParquetFile(stream) as file:
        for batch in file.iter_batches(_READ_BACK):
            piece = pl.from_arrow(batch)
            assert isinstance(piece, pl.DataFrame)
            yield piece.select(pl.col(name).cast(kind) for name, kind in types.items())
