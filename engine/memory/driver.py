"""The driver: the process that hands out the work, merges what comes back, and fits what is small.

It reads no rows. What grows in it is what comes back: sampled rows, scores that are merged, what
an estimator learned.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.memory.evaluating import Measured
from engine.memory.passes import LOADED, Shape
from engine.plan import MIB, Partition, Term

DRIVER = 280 * MIB
"""A driver of a job without rows: Python, distributed with a scheduler, Polars, pyarrow, LightGBM,
numba, which compiles the kernel that predicts; the libraries of other estimators apart."""

SAMPLED = 3
"""Bytes held for each byte of the sample for bins and baselines: as it came from the partitions,
put together, and columns of it while features are made."""

MERGING = 3
"""Histograms that are held where one is merged with another: both, and the sum."""

BASELINE_COPIES = 4
"""Of the float64 matrix that a linear baseline is fitted to: its columns, put together, less their
mean, and one of what the solver computes."""

MESSAGES = 4
"""Copies of rows that go through the driver to a worker: of each partition, put together, written
as bytes, and those bytes on their way."""


def driving(shape: Shape, *more: Term) -> tuple[Term, ...]:
    """Return the terms of a driver.

    Args:
        shape: A pass.
        more: What it holds beside itself.
    """
    libraries = (Term("libraries of all estimators", LOADED),) if shape.loaded else ()
    return (Term("driver process", DRIVER), *libraries, *(term for term in more if term.bytes))


def sampled(partitions: Sequence[Partition], rows: int) -> Term:
    """Return the term of a sample of rows as they were read.

    Args:
        partitions: The partitions that it is drawn from.
        rows: Rows that are wanted.
    """
    there = sum(part.rows for part in partitions)
    decoded = sum(part.bytes for part in partitions)
    share = min(1.0, rows / max(1, there))
    return Term("sample of rows for bins and baselines", int(decoded * share * SAMPLED))


def measuring(partitions: Sequence[Partition], asked: Measured) -> Term:
    """Return the term of the scores of an evaluation, which are merged partition by partition.

    Args:
        partitions: The partitions that are measured.
        asked: What is measured.
    """
    rows = sum(part.rows for part in partitions)
    return Term("scores that are merged", MERGING * asked.scores(rows))


def baseline(features: int, rows: int, most: int) -> Term:
    """Return the term of a linear baseline.

    Args:
        features: Number of features.
        rows: Rows of the sample.
        most: Cells that are fitted, at most.
    """
    cells = rows * (features + 1)
    matrix = cells * 4  # float32, of all rows of the sample
    return Term("linear baseline", matrix + min(cells, most) * 8 * BASELINE_COPIES)


def passing(rows: int, columns: int) -> Term:
    """Return the term of a float32 matrix that goes through the driver to a worker.

    Args:
        rows: Its rows.
        columns: Its columns.
    """
    return Term("sample of rows on its way to a worker", rows * columns * 4 * MESSAGES)
