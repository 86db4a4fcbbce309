"""A data set as a Dask DataFrame of Arrow-backed columns, read by the tasks that need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from engine.data.source import Source
from engine.errors import SpecError
from engine.plan import Partition
from engine.reserved import ROW
from engine.storage import InputFile

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd


@dataclass(frozen=True)
class _Piece:
    """A partition with its files alone: a task carries no listing of the whole data set.

    Attributes:
        partition: Its slices count from the first of these files.
        files: The files that it touches.
        of: Position of each in the layouts of the data set.
    """

    partition: Partition
    files: tuple[InputFile, ...]
    of: tuple[int, ...]


@dataclass(frozen=True)
class _Reader:
    """Reads a piece as pandas; Dask's optimiser finds ``columns`` and asks only for those."""

    source: Source

    def __call__(self, piece: _Piece, columns: Sequence[str]) -> pd.DataFrame:
        layout = replace(self.source.layout, of=piece.of)
        source = replace(self.source, files=piece.files, layout=layout)
        good = source.read(piece.partition, columns).good
        return _pandas(good.select(*columns, ROW))

    def __dask_tokenize__(self) -> str:
        return repr(self.source)


def to_dask(
    source: Source, partitions: Sequence[Partition], columns: Sequence[str]
) -> dd.DataFrame:
    """Return the good rows as a Dask DataFrame; nothing is read before it is computed.

    Text is ``string[pyarrow]``, Dask's own; all other types are `pandas.ArrowDtype`, missing values
    are ``<NA>``. The index, `ROW`, is the number of a row in the data set, so the frame is sorted
    and its divisions are known. Rows that the contract rejects and the filter leaves out are not
    there: ``dataset.rows - len(frame)`` counts them, `millrace profile` says why. Rules on all rows
    (a share of missing values, keys) are for a job to check.

    ``frame[["a"]]`` reads ``a`` and what contract and filter look at, no more. For an array, take
    numbers only: ``frame.astype("float64").to_dask_array(lengths=lengths(...))``; columns of
    different Arrow types would make an array of objects.

    Args:
        source: How partitions are read.
        partitions: A partition of the frame each, in order.
        columns: Columns wanted.
    """
    import dask.dataframe as dd

    schema: dict[str, Any] = {name: source.types[name] for name in columns}
    meta = _pandas(pl.DataFrame(schema={**schema, ROW: pl.Int64()}))
    if not partitions:
        empty: dd.DataFrame = dd.from_pandas(meta, npartitions=1)
        return empty
    last = partitions[-1].slices[-1]
    divisions = [part.slices[0].first for part in partitions] + [last.first + last.rows - 1]
    frame: dd.DataFrame = dd.from_map(
        _Reader(replace(source, files=(), layout=replace(source.layout, of=()))),
        [_piece(source, part) for part in partitions],
        meta=meta,
        divisions=tuple(divisions),
        label="millrace",
    )
    return frame


def lengths(source: Source, partitions: Sequence[Partition]) -> tuple[int, ...]:
    """Return the rows of each partition of the frame, which no computation is needed for.

    Args:
        source: How partitions are read.
        partitions: Those that the frame was made of.

    Raises:
        SpecError: Contract or filter may drop rows, so only reading tells.
    """
    contract = source.contract
    ruled = bool(contract.rules or contract.checks or source.where)
    if ruled or source.format.text or source.stored != source.types:
        raise SpecError(
            "the filter or the contract may drop rows, so their number is not known",
            where=f"data.{contract.name}",
            hint="let Dask count: to_dask_array(lengths=True) reads the data once",
        )
    return tuple(part.rows for part in partitions)


def _piece(source: Source, partition: Partition) -> _Piece:
    numbers = sorted({part.file for part in partition.slices})
    place = {number: i for i, number in enumerate(numbers)}
    slices = tuple(replace(part, file=place[part.file]) for part in partition.slices)
    files = tuple(source.files[i] for i in numbers)
    of = tuple(source.layout.of[i] for i in numbers)
    return _Piece(replace(partition, slices=slices), files, of)


def _pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Return a frame with its `ROW` as the index; columns are shared with Arrow, not copied."""
    import pandas as pd

    def mapped(kind: pa.DataType) -> Any:
        text = pa.types.is_large_string(kind)
        return pd.StringDtype("pyarrow") if text else pd.ArrowDtype(kind)

    # Dask cannot sort Arrow's dictionaries, and text views are new to pandas.
    plain = frame.drop(ROW).with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    table = plain.to_arrow(compat_level=pl.CompatLevel.oldest())
    made: pd.DataFrame = table.to_pandas(types_mapper=mapped)
    made.index = pd.Index(frame[ROW].to_numpy(), name=ROW)
    return made
