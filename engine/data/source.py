"""Rows of one partition: read, typed, filtered and checked. Runs inside a task.

Every row of the partition ends in one of three places, and the counts add up: good rows, rows that
the user's ``where`` leaves out, and rejected rows with their reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from engine.contract import TOLD, Contract
from engine.contract.casting import aligned
from engine.data.layout import Layout
from engine.expression import columns_of, sql
from engine.formats.format import MALFORMED, Format
from engine.plan import Partition, Slice
from engine.reserved import DRAW, ROW, TARGET
from engine.storage import InputFile

RESERVED = frozenset((ROW, TARGET, DRAW, MALFORMED, *TOLD))
"""Names that millrace gives to columns of its own; a column of the data cannot have them."""

_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""Folder name that Hive, Spark and Delta give to a missing value."""


@dataclass(frozen=True)
class Batch:
    """The rows of one partition.

    Attributes:
        good: Rows that satisfy contract and filter, typed, with `ROW`.
        rejected: Rows that broke the contract, as read, with `ROW` and the columns of
            `engine.contract.TOLD`.
        filtered: Number of rows that ``where`` left out.
    """

    good: pl.DataFrame
    rejected: pl.DataFrame
    filtered: int

    def missing(self, columns: Iterable[str]) -> dict[str, int]:
        """Count the missing values in good rows of those of these columns that were read."""
        return {name: self.good[name].null_count() for name in columns if name in self.good.columns}

    @property
    def rows(self) -> int:
        """Rows read; each is in exactly one of the three places."""
        return self.good.height + self.rejected.height + self.filtered


@dataclass(frozen=True)
class Source:
    """How to read any partition of a data set; small, and sent to workers.

    Attributes:
        format: The reader of the file format.
        files: The frozen listing; slices refer to it by position.
        stored: Type of every column as it is read, one for all files.
        types: Type of every column after the contract.
        contract: Rules of the rows.
        where: SQL filter, or ``None``.
        keys: Types of the columns that come from folder names.
        layout: Where the files have the columns.
    """

    format: Format
    files: tuple[InputFile, ...]
    stored: Mapping[str, pl.DataType]
    types: Mapping[str, pl.DataType]
    contract: Contract
    where: str | None
    keys: Mapping[str, pl.DataType]
    layout: Layout

    @property
    def paths(self) -> list[str]:
        """Paths of the files."""
        return [file.path for file in self.files]

    def needed(self, columns: Sequence[str]) -> list[str]:
        """Return these columns, and those that contract and filter look at, in data order."""
        wanted = {*columns, *self.contract.columns}
        if self.where is not None:
            wanted |= set(columns_of(self.where, "where"))
        return [name for name in self.types if name in wanted]

    def read(self, partition: Partition, columns: Sequence[str]) -> Batch:
        """Read a partition.

        Args:
            partition: Row ranges of this source's files.
            columns: Columns that the caller needs.

        Raises:
            InputChanged: A file is not the one that was listed.
            InputError: A file is damaged.
        """
        return self.checked(self.raw(partition, columns), columns)

    def checked(self, raw: pl.DataFrame, columns: Sequence[str]) -> Batch:
        """Type, check and filter rows as `raw` returned them for these columns."""
        needed = {name: self.types[name] for name in self.needed(columns)}
        good, rejected = self.contract.checked(raw, needed)
        if self.where is None:
            return Batch(good, rejected, 0)
        kept = good.filter(sql(self.where, "where"))
        return Batch(kept, rejected, good.height - kept.height)

    def raw(self, partition: Partition, columns: Sequence[str]) -> pl.DataFrame:
        """Return the rows of a partition before contract and filter.

        Args:
            partition: Row ranges of this source's files.
            columns: Columns that the caller needs.

        Returns:
            The `needed` columns as stored, `ROW`, and `MALFORMED` where a line is malformed.

        Raises:
            InputChanged: A file is not the one that was listed.
            InputError: A file is damaged.
        """
        needed = self.needed(columns)
        slices = [self._slice(part, needed) for part in partition.slices if part.rows]
        slices = slices or [pl.DataFrame(schema={**self._stored(needed), ROW: pl.Int64()})]
        # Slices with malformed lines have one column more.
        same = len({frame.width for frame in slices}) == 1
        return pl.concat(slices, how="vertical" if same else "diagonal")

    def _slice(self, part: Slice, needed: Sequence[str]) -> pl.DataFrame:
        file = self.files[part.file]
        own = {name: self._own(part.file, name) for name in needed}
        stored = [name for name in own.values() if name is not None]
        frame = self._read(file, part, stored or [self._smallest(part.file)])
        columns = [self._column(file, name, there).alias(name) for name, there in own.items()]
        number = pl.int_range(part.first, part.first + part.rows, dtype=pl.Int64).alias(ROW)
        broken = [MALFORMED] if MALFORMED in frame.columns else []
        rows = frame.select(*columns, number, *broken)
        return aligned(rows, self._stored(needed))

    def _stored(self, columns: Sequence[str]) -> dict[str, pl.DataType]:
        return {name: self.stored[name] for name in columns}

    def _read(self, file: InputFile, part: Slice, columns: Sequence[str]) -> pl.DataFrame:
        """Read a slice of the file that was listed: looked at before and after."""
        if not file.local:
            return self.format.read(file, part, columns)  # the store itself compares
        file.assert_unchanged()
        frame = self.format.read(file, part, columns)
        file.assert_unchanged()
        return frame

    def _own(self, file: int, name: str) -> str | None:
        """Return the name of a column in a file; ``None`` when it is not stored there."""
        return None if name in self.keys else self.layout.stored(file, name)

    def _column(self, file: InputFile, name: str, own: str | None) -> pl.Expr:
        if own is not None:
            return pl.col(own)
        value = dict(file.keys).get(name)
        missing = value is None or value == _NULL_FOLDER
        return pl.lit(None if missing else value, pl.String).cast(self.stored[name])

    def _smallest(self, file: int) -> str:
        """Return a stored column to count rows by, when none is asked for."""
        names = (self._own(file, name) for name in self.types)
        return next(name for name in names if name is not None)
