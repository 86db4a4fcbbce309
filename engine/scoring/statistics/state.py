"""The state of some rows: counts of all cells, and the sampled rows themselves."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from engine.profile.values import kind_of
from engine.scoring.statistics.cells import Cells, counted
from engine.scoring.statistics.sampling import Rows

TEXT = 80
"""Characters of a text that are kept; texts that begin with the same ones count as equal."""

_TOLD = b"millrace.statistics"


@dataclass(frozen=True)
class State:
    """What is known of some rows; its size does not depend on how many were scored.

    Attributes:
        cells: Counts by column.
        sample: Sampled rows of the columns that are numbers, times, flags or text, in the order of
            the row numbers; categories as text, decimals as float64.
    """

    cells: Mapping[str, Cells]
    sample: pl.DataFrame

    @classmethod
    def of(cls, frame: pl.DataFrame, places: Rows) -> State:
        """Look at the rows of a partition.

        Args:
            frame: The columns that are watched.
            places: Where the rows stand that are sampled.
        """
        kept = frame.select(name for name, kind in frame.schema.items() if kind_of(kind) != "other")
        sample = kept[pl.Series(places.astype(np.uint32))]
        casts = [_plain(name, kind) for name, kind in sample.schema.items() if _is_cast(kind)]
        return cls(counted(frame), sample.with_columns(casts) if casts else sample)

    def encode(self) -> bytes:
        """Return the state as a file of Arrow: the sample, with the counts as its metadata."""
        told = json.dumps({name: cells.told() for name, cells in self.cells.items()})
        table = self.sample.to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.replace_schema_metadata({_TOLD: told.encode()})
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()

    @classmethod
    def decode(cls, content: bytes) -> State:
        """Return the state that `encode` made a file of.

        Raises:
            pyarrow.ArrowException: It is no such file.
        """
        table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
        told: dict[str, list[Any]] = json.loads(table.schema.metadata[_TOLD])
        cells = {name: Cells(*values) for name, values in told.items()}
        sample = pl.from_arrow(table)
        assert isinstance(sample, pl.DataFrame)
        return cls(cells, sample)


def joined(states: Iterable[State]) -> State:
    """Return the state of all rows together.

    Args:
        states: In the order of their rows; at least one.
    """
    listed = list(states)
    cells = {
        name: reduce(Cells.merge, (state.cells[name] for state in listed))
        for name in listed[0].cells
    }
    return State(cells, pl.concat([state.sample for state in listed], rechunk=True))


def _is_cast(kind: pl.DataType) -> bool:
    return kind_of(kind) == "text" or isinstance(kind, (pl.Decimal, pl.Int128))


def _plain(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as it is sampled, of a type that all partitions and Arrow know alike."""
    if kind_of(kind) == "text":
        return pl.col(name).cast(pl.String).str.slice(0, TEXT)
    return pl.col(name).cast(pl.Float64)
