"""One part's rows become files: cut into folders, into pieces, and each piece encoded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import polars as pl

from engine.commit.staging import Encoded
from engine.encoding import csv, hive, lake, parquet

Form: TypeAlias = Literal["parquet", "csv", "csv.gz", "csv.zst", "delta"]


@dataclass(frozen=True)
class Encoding:
    """How the rows of an output are written; travels to the workers.

    Attributes:
        form: Format of the files; ``delta`` is Parquet with the types of Delta Lake.
        partition_by: Columns that become folders.
        rows_per_file: Most rows of a file, if there is a bound.
        file_bytes: About the largest size of a file, if there is one. What one part holds is cut
            evenly by rows, so a file may be somewhat larger; parts are never put together.
        formula_safe: Whether CSV is harmless in a spreadsheet.
        facts: Key-value metadata of Parquet files. Nothing of time or attempt: the bytes of an
            output are the same after any interruption.
    """

    form: Form = "parquet"
    partition_by: tuple[str, ...] = ()
    rows_per_file: int | None = None
    file_bytes: int | None = None
    formula_safe: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)

    def files(self, table: pl.DataFrame) -> list[Encoded]:
        """Return the files of one part, sorted by folder and in order of their rows.

        Args:
            table: The rows; without any, the one file tells readers the columns, and with
                partition columns there is none.

        Raises:
            SpecError: A column or a value does not go with the format or the partitioning.
        """
        hive.refuse_columns(table.schema, self.partition_by, "partition_by")
        if self.form == "delta":
            told = lake.partitions(table.schema, self.partition_by)
            return replace(self, facts={**self.facts, **told})._made(table)
        return self._made(table)

    def _made(self, table: pl.DataFrame) -> list[Encoded]:
        made = []
        for folder, rows in hive.partitioned(table, self.partition_by):
            pieces = list(self._pieces(rows))
            numbers = range(len(pieces)) if len(pieces) > 1 else (None,)
            made += [
                replace(file, folder=folder, piece=number)
                for number, file in zip(numbers, pieces, strict=True)
            ]
        return made

    def _pieces(self, rows: pl.DataFrame) -> Iterator[Encoded]:
        size = self.rows_per_file or max(1, rows.height)
        for first in range(0, max(1, rows.height), size):
            yield from self._sized(rows[first : first + size])

    def _sized(self, rows: pl.DataFrame) -> Iterator[Encoded]:
        """Encode rows as one file, or, where that is too large, evenly as several."""
        whole = self._encoded(rows)
        if self.file_bytes is None or whole.content.nbytes <= self.file_bytes:
            yield whole
            return
        each = math.ceil(rows.height / math.ceil(whole.content.nbytes / self.file_bytes))
        del whole
        for first in range(0, rows.height, each):
            yield self._encoded(rows[first : first + each])

    def _encoded(self, rows: pl.DataFrame) -> Encoded:
        if self.form in csv.PACKED:
            return csv.encoded(rows, self.form, self.formula_safe)
        stored = lake.storable(rows) if self.form == "delta" else rows
        return parquet.encoded(stored.to_arrow(), self.facts)
