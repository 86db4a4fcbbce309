"""Parquet: row groups from the footer, row ranges through Polars' reader or pyarrow's.

Polars decodes; pyarrow does where it is better at it: files with page checksums, or of types that
Polars does not have (`engine.formats.columnar.forward`). Of a large row group the pages of a row
range are read alone (`engine.formats.columnar.ranges`). Damage in pages without a checksum shows
only where it breaks the encoding: Parquet has no other means to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import polars as pl

from engine.formats.columnar.columns import decoded
from engine.formats.columnar.damage import named
from engine.formats.columnar.fetch import fetched
from engine.formats.columnar.footer import Footer, footer
from engine.formats.columnar.forward import has_checksums, read_excerpt, read_forward
from engine.formats.columnar.nearby import KEPT_BYTES
from engine.formats.columnar.ranges import Excerpt, read_range
from engine.formats.columnar.thrift import Malformed
from engine.formats.format import Chunk, FileInfo, Files, is_giant
from engine.plan import Slice
from engine.storage import InputFile

_PAGE_BYTES = 2 * 2**20
"""Bytes that are held for a column beyond its row range: a page, as stored and as decoded."""


_FEW = 8
"""Of a local file, pages are read alone for a range of less than this share of a row group. Polars
reads all its bytes, but it skips pages at no cost, and the page cache holds them: measured over all
ranges of a row group (1M rows of 28 float32, snappy), it takes 0.08 CPU s against 0.25 in two
ranges, 0.20 against 0.19 in eight, 0.90 against 0.36 in forty."""

_LARGE = 2**20
"""Mean bytes of the column chunks of a local file from which on that is done: smaller ones have few
pages."""

_WORTH = 256 * 2**10
"""Of a file that is far away, pages are read alone for a range that needs so many bytes of a column
in the mean: for less, fetching all columns of the row group together takes fewer requests."""

_PARSED_CHUNK = 1800
"""Bytes of a column chunk in a parsed footer, pyarrow's and Polars' at once (measured by
``benchmarks/memory.py``; strings apart)."""

_TAILS = 8
"""Times that the bytes of a footer are held: kept of four files, and its strings parsed twice."""


@dataclass(frozen=True)
class Parquet(Files):
    """The reader of Parquet files."""

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    text: ClassVar[bool] = False

    def inspect(self, file: InputFile) -> FileInfo:
        """Read and check the footer alone."""
        foot = footer(file)
        chunks = tuple(_chunk(foot, number) for number in range(len(foot.figures)))
        return FileInfo(foot.schema, chunks, foot.digest, foot.unreadable, _held(file, foot))

    def read(self, file: InputFile, part: Slice, columns: Sequence[str]) -> pl.DataFrame:
        """Read a row range; row groups and columns outside of it are not touched.

        Raises:
            InputError: Its pages are damaged; names the file and the rows.
            InputChanged: The file is not the one that was listed.
        """
        foot = footer(file)
        rows = f", rows {part.start}-{part.start + part.rows - 1}"
        with named(file, "cannot read this part of a Parquet file", place=rows):
            frame = _frame(file, foot, part, columns)
            if frame.height != part.rows:
                raise ValueError(f"{frame.height} rows were found")
            frame = frame.cast({name: foot.schema[name] for name in columns})
        if file.local:
            file.assert_unchanged()
        return frame

    def place(self, file: InputFile, part: Slice, rows: Sequence[int]) -> Sequence[str]:
        """Return the row group of each row."""
        foot = footer(file)
        return [f"row group {foot.group_of(row)}" for row in rows]


def _frame(file: InputFile, foot: Footer, part: Slice, columns: Sequence[str]) -> pl.DataFrame:
    groups = foot.groups(part.start, part.rows)
    if not groups:
        return pl.DataFrame(schema={name: foot.schema[name] for name in columns})
    pieces = [_piece(file, foot, part, columns, run) for run in _runs(foot, groups, part)]
    return pieces[0] if len(pieces) == 1 else pl.concat(pieces)


def _runs(foot: Footer, groups: range, part: Slice) -> list[range]:
    """Return the row groups of a row range: those that it cuts alone, the others together."""
    first = groups.start + (part.start > foot.starts[groups.start])
    last = groups.stop - (part.start + part.rows < foot.starts[groups.stop])
    if first > last:  # one group, cut at both ends
        return [groups]
    runs = [range(groups.start, first), range(first, last), range(last, groups.stop)]
    return [run for run in runs if run]


def _piece(
    file: InputFile, foot: Footer, part: Slice, columns: Sequence[str], groups: range
) -> pl.DataFrame:
    """Read what a row range has of some row groups."""
    low, high = foot.starts[groups.start], foot.starts[groups.stop]
    start, stop = max(part.start, low), min(part.start + part.rows, high)
    part = Slice(part.file, start, stop - start, part.first)
    simple = foot.polars and not has_checksums(file) and _stated(foot, groups, columns)
    giant = _is_giant(foot, groups, part, columns)
    if giant or _is_little(file, foot, groups, part, columns):
        decode = by_polars if simple else partial(by_arrow, foot, groups.start)
        with suppress(Malformed):
            return read_range(file, groups.start, start - low, stop - low, columns, decode)
    if giant:
        return read_forward(file, part, columns, groups)
    parts = None if file.local else fetched(file, foot, groups, columns)
    if not simple:
        return read_forward(file, part, columns, groups, parts)
    path = parts.path if parts else file.path
    scan = pl.scan_parquet(path, glob=False, hive_partitioning=False, cache=False)
    return scan.slice(part.start, part.rows).select(columns).collect()


def by_polars(excerpts: Sequence[Excerpt], rows: int) -> list[pl.DataFrame]:
    """Read so many rows of each excerpt."""
    scans = [
        pl.scan_parquet(data, glob=False, hive_partitioning=False, cache=False)
        .slice(skipped, rows)
        .select(columns)
        for data, columns, skipped in excerpts
    ]
    return pl.collect_all(scans)


def by_arrow(
    foot: Footer, group: int, excerpts: Sequence[Excerpt], rows: int
) -> list[pl.DataFrame]:
    """Read so many rows of each excerpt, and verify the checksums of its pages."""
    return [
        read_excerpt(data, foot, group, skipped, rows, columns)
        for data, columns, skipped in excerpts
    ]


def _is_little(
    file: InputFile, foot: Footer, groups: range, part: Slice, columns: Sequence[str]
) -> bool:
    """Say whether a row range is so little of its row group that its pages are read alone."""
    rows = foot.starts[groups.stop] - foot.starts[groups.start]
    stored = sum(foot.chunk(number, name).stored for number in groups for name in columns)
    if file.local:
        return part.rows * _FEW < rows and stored >= _LARGE * len(columns)
    return part.rows < rows and stored * part.rows >= _WORTH * len(columns) * rows


def _is_giant(foot: Footer, groups: range, part: Slice, columns: Sequence[str]) -> bool:
    """Say whether reading pages alone holds much less than the row groups that the range cuts."""
    chunks = [foot.chunk(number, name) for number in groups for name in columns]
    stored = sum(chunk.stored for chunk in chunks)
    held = sum(min(_PAGE_BYTES, chunk.decoded) for chunk in chunks)
    whole = foot.starts[groups.stop] - foot.starts[groups.start] == part.rows
    return not whole and is_giant(stored, held)


def _stated(foot: Footer, groups: range, columns: Sequence[str]) -> bool:
    """Say whether all column chunks state their encodings, as sound writers do.

    Polars aborts the process on impossible levels (one of Arrow's fuzzing inputs, which states no
    encodings); pyarrow raises. Old writers left them out too, so that refusing is no way.
    """
    return all(foot.chunk(number, name).encoded for number in groups for name in columns)


def _chunk(foot: Footer, number: int) -> Chunk:
    rows = foot.rows_of(number)
    columns = {name: foot.chunk(number, name) for name in foot.schema}
    stored = {name: column.stored for name, column in columns.items()}
    pages = {name: min(_PAGE_BYTES, column.decoded) for name, column in columns.items()}
    # The pages of text hold its values; those of a dictionary are in it once, and once in memory.
    sizes = {name: decoded(foot.schema[name], rows, c.decoded) for name, c in columns.items()}
    return Chunk(rows, sizes, stored, pages=pages)


def _held(file: InputFile, foot: Footer) -> int:
    """Return the bytes that a process holds of the file between slices.

    They are the footer, parsed by pyarrow and Polars and as kept, and of a file that is far away
    the pages that the next row range begins with.
    """
    cut = not file.local and foot.figures["stored"].max(initial=0) > _WORTH
    footers = foot.figures.size * _PARSED_CHUNK + len(foot.tail) * _TAILS
    return footers + (KEPT_BYTES if cut else 0)
