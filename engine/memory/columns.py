"""Looking at columns: a survey and a profile."""

from __future__ import annotations

from engine.memory.passes import WORKER, Shape, opening, reading
from engine.plan import MIB, Term

STATISTIC_ROW = 24
"""Bytes a row while the statistics of one column are gathered (float64 copies); one at a time."""

PROFILED_ROW = 80
"""Bytes a row while a profile looks at one column: hashes, float64, keys, and sorted copies."""

SURVEYED = 2.5
"""Bytes held for each byte of the sampled rows of a partition: the training rows that they are
drawn from, the draw, and the message in which it goes to the driver, part of it."""

COUNTS = 64 * MIB
"""A profile's tables that do not depend on rows: dense counts, blocks of correlated columns."""


def survey(shape: Shape, states: int, share: float = 0.0) -> tuple[Term, ...]:
    """Return the terms of a survey pass.

    Args:
        shape: The pass.
        states: Bytes of the statistics of one partition.
        share: Of the rows, that goes into the sample for bins and baselines.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    sampled = int(share * SURVEYED * max((p.bytes for p in shape.partitions), default=0))
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("statistics", shape.threads * (rows * STATISTIC_ROW + states)),
        *([Term("sampled rows", shape.threads * sampled)] if sampled else []),
    )


def profiling(shape: Shape, state: int) -> tuple[Term, ...]:
    """Return the terms of a profile; they do not grow with the number of partitions.

    Args:
        shape: The pass; its features are none.
        state: Bytes of the state of one partition, at most (``Request.state_bytes``).
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("one column at a time", shape.threads * (rows * PROFILED_ROW + COUNTS)),
        Term("states and the way to the driver", shape.threads * state * 2),
    )
