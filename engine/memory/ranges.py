"""Sorting: partitions are spilled in pieces, ranges are merged."""

from __future__ import annotations

from engine.memory.passes import WORKER, WRITTEN_COLUMN, Shape, opening, reading
from engine.plan import Term

SORTED = 2
"""Copies that a sort holds of a partition beside it: the sorted one, and at most one of keys."""

MERGED = 4
"""Bytes held for each byte of a range while it is merged, written and read back: 3.7 of numbers,
2.8 of text (measured in workers, with partitions of 16 and 64 MiB)."""

RANGE = 1.25
"""Largest range of a sort, in multiples of the mean (`engine.sorting.sort`)."""

SPILL_CELL = 3 * 2**9
"""Bytes a column of each spilled partition of which a range takes its piece."""


def sorting(shape: Shape) -> tuple[Term, ...]:
    """Return the terms of a sort: the larger of spilling a partition and merging a range.

    Args:
        shape: The passes; its columns are those of the output, its features none.
    """
    parts, threads = shape.partitions, shape.threads
    read = reading(shape, threads, threads)
    copies = threads * SORTED * max((p.bytes for p in parts), default=0)
    mean = sum(p.bytes for p in parts) / max(1, len(parts))
    merged = threads * int(mean * RANGE * MERGED)
    return (
        Term("worker process", WORKER),
        *opening(shape, threads),
        *read,
        Term("sorted copy", copies),
        Term("range merged", max(0, merged - copies - sum(term.bytes for term in read))),
        Term("pieces of a range", threads * len(parts) * shape.columns * SPILL_CELL),
        Term("columns of the output", threads * shape.columns * WRITTEN_COLUMN),
    )
