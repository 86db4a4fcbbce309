"""A pass over partitions: the process, what is read, what is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.plan import MIB, Partition, Term

WORKER = 280 * MIB
"""A Dask worker at work on a small partition: Python, distributed, Polars, pyarrow, sketches; and
pandas, which some readers import (75)."""

LOADED = 210 * MIB
"""Libraries of all estimators in a worker: scikit-learn, SciPy, skops, dask-ml, and numba with
LLVM, which predicts. A process that has loaded one keeps it: on a worker that had trained with
scikit-learn, a pass that needs none of them took 440 MB where 320 were planned."""

FETCHED = 1.2
"""Bytes held for each byte on disk of the row groups that a partition touches, with slack."""

CHECKED = 1.5
"""Copies that contract, filter and split hold beside the decoded columns, in multiples of them."""

FEATURE_CELL = 4
"""Bytes a cell of the frame of float32 features."""

COLUMN = 8 * 2**10
"""Bytes a column that is read: expressions, series and their plan in Polars, however few rows."""

WRITTEN_COLUMN = 6 * 2**10
"""Bytes a column of the output file: its writer's pages, statistics and metadata."""

TEXT = 4
"""Multiples of the output table that CSV takes beyond Parquet: the peak over a table of 500k rows
(2 ids, a text, a label, 10 floats) was 5.8 tables (also cut by size; 3.7 in folders), of Parquet
2.0; the text is 2.2, once as it is made and once as its buffer grows."""

CUT = 1
"""The same of folders or files of a size in Parquet: 2.7 tables."""

MATRIX_CELL = 4
"""Bytes a cell of the float32 matrix."""


@dataclass(frozen=True)
class Shape:
    """What decides the memory of a step.

    Attributes:
        partitions: The partitions of a pass.
        features: Number of features.
        threads: Threads of one worker: as many partitions are held at once.
        columns: Number of columns that are read.
        metadata: Bytes that a process holds of the metadata of a file (`FileInfo.held`).
        before: Rows before a partition that are read with it; 0 for most.
        loaded: Whether the worker may hold the libraries of all estimators (`LOADED`), from other
            work or for this.
    """

    partitions: Sequence[Partition]
    features: int
    threads: int
    columns: int = 0
    metadata: int = 0
    before: int = 0
    loaded: bool = False

    def largest(self) -> Partition:
        """Return the partition that needs most memory."""
        return max(self.partitions, key=lambda p: p.bytes * (1 + CHECKED) + p.touched * FETCHED)


def reading(shape: Shape, held: int, at_once: int) -> list[Term]:
    """Return the terms of holding and preparing partitions, some of them being read.

    Args:
        shape: The pass.
        held: Partitions held at once.
        at_once: Those of them that are being read.
    """
    if not shape.partitions:
        return []
    top = shape.largest()
    cells = max(p.rows for p in shape.partitions) * shape.features
    reach = min(1.0, shape.before / max(1, top.rows))
    return [
        Term("partition, decoded and checked", held * int(top.bytes * (1 + CHECKED) * (1 + reach))),
        Term("row groups fetched", at_once * int(top.touched * FETCHED)),
        Term("features of a partition", held * cells * (FEATURE_CELL + MATRIX_CELL)),
    ]


def opening(shape: Shape, at_once: int) -> list[Term]:
    """Return the terms that do not depend on rows, of so many partitions read at the same time."""
    return [
        Term("metadata of the files", at_once * shape.metadata),
        Term("columns, apart from their rows", at_once * shape.columns * COLUMN),
        *([Term("libraries of all estimators", LOADED)] if shape.loaded else []),
    ]


def writing(shape: Shape, output_row: int, output_columns: int) -> tuple[Term, ...]:
    """Return the terms of making rows and writing them.

    Args:
        shape: The pass.
        output_row: Bytes of one row of the output table.
        output_columns: Its columns.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("output table and its file", shape.threads * rows * output_row * 3),
        Term("columns of the output", shape.threads * output_columns * WRITTEN_COLUMN),
    )


def encoding(shape: Shape, output_row: int, *, text: bool, cut: bool) -> tuple[Term, ...]:
    """Return the terms of writing rows in another way than one Parquet file a part.

    Args:
        shape: The pass.
        output_row: Bytes of one row of the output table.
        text: Whether rows are written as text.
        cut: Whether they are cut into folders or files.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    copies = TEXT if text else CUT if cut else 0
    if not copies:
        return ()
    return (Term("rows as they are written", shape.threads * rows * output_row * copies),)
