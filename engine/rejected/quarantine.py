"""Rows that broke the contract, kept with where they stand and why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from engine.contract import COLUMN, REASON, RULE, TOLD, VALUE
from engine.data.position import positions
from engine.encoding import parquet_bytes
from engine.errors import ContractRefused, MillraceError
from engine.formats.format import Format
from engine.place.kept import Kept
from engine.plan import Partition
from engine.reserved import ROW
from engine.storage import InputFile

HEAD = ("file", "place", "row", "column", "rule", "value", "reason")
"""The columns in front of the values; a column of the data named ``row`` becomes ``data.row``."""


def quarantined(
    files: Sequence[InputFile], form: Format, partition: Partition, rejected: pl.DataFrame
) -> pl.DataFrame:
    """Say where rejected rows stand and why they are there.

    Args:
        files: The data set's listing.
        form: The format of the files.
        partition: The partition that the rows belong to.
        rejected: Rejected rows of a `engine.data.source.Batch`.

    Returns:
        `HEAD`: path, line or row group, row within the file (from 0), column, rule and value of
        the first rule that is broken, all reasons; then the values as they were read.
    """
    rows = rejected.sort(ROW)
    where = positions([file.path for file in files], partition, rows[ROW])
    told = [rows[name].alias(head) for name, head in zip(_TOLD, HEAD[3:], strict=True)]
    values = rows.drop(ROW, *TOLD)
    clear = values.rename({name: f"data.{name}" for name in values.columns if name in HEAD})
    places = _places(files, form, partition, where)
    return pl.DataFrame([where["file"], places, where["row"], *told]).hstack(clear)


_TOLD = (COLUMN, RULE, VALUE, REASON)


def _places(
    files: Sequence[InputFile], form: Format, partition: Partition, where: pl.DataFrame
) -> pl.Series:
    """Ask the format once for each slice; rows are in order of the slices."""
    places: list[str] = []
    for index, rows in where.group_by("slice", maintain_order=True).agg("row").iter_rows():
        part = partition.slices[index]
        places += form.place(files[part.file], part, rows)
    return pl.Series("place", places, dtype=pl.String)


def write(table: pl.DataFrame, file: Kept) -> None:
    """Write quarantined rows as one Parquet file, whole or not at all.

    The same rows give the same bytes, so a task that runs twice does no harm.

    Args:
        table: As `quarantined` makes it.
        file: Where, such as a ``part-00003.parquet``; folders are made as needed.

    Raises:
        OutputRefused: The folder cannot be written.
        MillraceError: The disk is full, or the name is taken by other rows.
    """
    place, content = file.place, bytes(parquet_bytes(table.to_arrow()))
    with place.refusals(file.name):
        if not place.put_if_absent(file.name, content) and file.read() != content:
            raise MillraceError(
                "Other quarantined rows were kept under this name.",
                where=str(file),
                hint="delete this one file, or choose another run folder",
            )


def refuse(table: pl.DataFrame) -> None:
    """Stop at the first quarantined row, for data in which no row may be bad.

    Args:
        table: As `quarantined` makes it.

    Raises:
        ContractRefused: There is a row.
    """
    if not table.height:
        return
    first = table.row(0, named=True)
    place = f", {first['place']}" if first["place"] else ""
    raise ContractRefused(
        f"{table.height:,} rows of this partition break the contract; the first: {first['reason']}",
        where=f"{first['file']}{place}, row {first['row']}",
        hint='mend the data or the contract, or set on_bad_rows = "quarantine"',
    )
