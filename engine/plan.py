"""Partitions, and what each step will cost: known before anything runs.

A data set is cut into `Slice`s (row ranges of one file) and packed into `Partition`s in file order.
The cut depends on the data, the columns and the target size alone, never on the cluster. A
`StepPlan` says how much memory a worker needs for a step, term by term; a `Plan` over the limit is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from engine.errors import PlanRefused

MIB = 2**20

TARGET_BYTES = 64 * MIB
"""Decoded bytes that a partition aims at (DESIGN section 4)."""

_SPREAD = 32
"""Data too small for this many partitions of that size are cut finer, to keep many cores busy. Not
into more: a row group that is cut into six takes half as long again to decode as one cut into two,
since readers decode the pages at the edges twice (measured: 0.30 and 0.20 CPU s for 1M rows of 32
columns)."""

_FINEST_BYTES = 16 * MIB
"""Not finer than this: a task costs Dask some milliseconds."""

_COLUMN_BYTES = 16 * 2**10
"""Not finer than this for each column: work on a column costs a millisecond a partition, and the
pages of a wide row group are fetched again for each of its ranges."""

SMALLEST_BYTES = 4 * MIB
"""A plan that does not fit with partitions of this size is refused."""


def target_bytes(decoded: int, columns: int) -> int:
    """Return the partition size to aim at.

    Args:
        decoded: Decoded bytes of the whole data set.
        columns: Columns that are read.
    """
    finest = max(_FINEST_BYTES, columns * _COLUMN_BYTES)
    return min(TARGET_BYTES, max(finest, decoded // _SPREAD))


@dataclass(frozen=True)
class RowGroup:
    """A run of rows that its file stores together.

    Attributes:
        file: Position of the file in the data set's listing.
        start: First row within the file.
        rows: Number of rows.
        first: Number of its first row in the whole data set.
        decoded: Estimated bytes in memory of the columns in question.
        stored: Bytes on disk of the columns in question.
        span: First and last-plus-one byte in the file, for formats that are cut by bytes.
        touched: Bytes on disk that are held at once to read a part of it; None: all of it.
    """

    file: int
    start: int
    rows: int
    first: int
    decoded: int
    stored: int
    span: tuple[int, int] | None = None
    touched: int | None = None


@dataclass(frozen=True)
class Slice:
    """A row range of one file: what one read call returns."""

    file: int
    start: int
    rows: int
    first: int
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class Partition:
    """The unit of work: some slices that are read, prepared and finished together.

    Attributes:
        index: Position in the plan, from 0.
        slices: Row ranges in file order.
        rows: Rows in all slices.
        bytes: Estimated bytes when decoded.
        stored: Bytes to read from disk.
        touched: Bytes on disk that are held at once to read it: of all row groups that it touches,
            or of the pages of a giant one.
    """

    index: int
    slices: tuple[Slice, ...]
    rows: int
    bytes: int
    stored: int
    touched: int


def partitions(groups: Iterable[RowGroup], target: int = TARGET_BYTES) -> list[Partition]:
    """Pack row groups into partitions of about ``target`` decoded bytes, in order.

    Every row of every group is in exactly one partition; a group over the target is cut into row
    ranges where its format allows it, small ones are put together.

    Args:
        groups: Row groups in file order.
        target: Decoded bytes to aim at.

    Returns:
        Partitions, indexed from 0; empty when there are no rows.
    """
    packed: list[list[RowGroup]] = []
    filled = 0
    origin: dict[tuple[int, int], int] = {}
    for group in groups:
        for piece in _pieces(group, target):
            cut = piece.rows < group.rows and group.touched is not None
            origin[piece.file, piece.start] = (group.touched or 0) if cut else group.stored
            if not packed or filled + piece.decoded > target:
                packed.append([])
                filled = 0
            packed[-1].append(piece)
            filled += piece.decoded
    return [_partition(index, pieces, origin) for index, pieces in enumerate(packed)]


def _pieces(group: RowGroup, target: int) -> Iterator[RowGroup]:
    """Cut a row group over the target into equal row ranges; skip an empty one."""
    if group.rows == 0:
        return
    count = 1 if group.span else max(1, min(group.rows, -(-group.decoded // target)))
    bounds = [group.rows * i // count for i in range(count + 1)]
    for low, high in pairwise(bounds):
        share = (high - low) / group.rows
        yield RowGroup(
            group.file,
            group.start + low,
            high - low,
            group.first + low,
            int(group.decoded * share),
            int(group.stored * share),
            group.span,
        )


def _partition(
    index: int, pieces: Sequence[RowGroup], origin: dict[tuple[int, int], int]
) -> Partition:
    slices: list[Slice] = []
    for piece in pieces:
        last = slices[-1] if slices else None
        if (
            last
            and not piece.span
            and (last.file, last.start + last.rows) == (piece.file, piece.start)
        ):
            slices[-1] = Slice(last.file, last.start, last.rows + piece.rows, last.first)
        else:
            slices.append(Slice(piece.file, piece.start, piece.rows, piece.first, piece.span))
    return Partition(
        index,
        tuple(slices),
        sum(piece.rows for piece in pieces),
        sum(piece.decoded for piece in pieces),
        sum(piece.stored for piece in pieces),
        sum(origin[piece.file, piece.start] for piece in pieces),
    )


@dataclass(frozen=True)
class Term:
    """One summand of a projected peak: what it is and its bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class StepPlan:
    """What one step reads, holds and writes.

    Attributes:
        name: The section, such as ``train``.
        passes: How often it reads its data, and why when more than once.
        partitions: Number of partitions of a pass.
        rows: Rows that a pass reads.
        bytes_read: Bytes from disk, all passes together.
        terms: Summands of the projected peak of one worker.
        output_bytes: Projected bytes written; 0 when the step writes no data.
        notes: Facts worth saying, such as a smaller partition size.
        most: Bytes that the step may take of a worker where that is less than all; or None.
        driver: Summands of the projected peak of the process that drives the run.
    """

    name: str
    passes: tuple[str, ...]
    partitions: int
    rows: int
    bytes_read: int
    terms: tuple[Term, ...]
    output_bytes: int = 0
    notes: tuple[str, ...] = ()
    most: int | None = None
    driver: tuple[Term, ...] = ()

    def bound(self, memory: int) -> int:
        """Return the bytes that the step may take of a worker that has so many."""
        return min(memory, self.most or memory)

    @property
    def peak(self) -> int:
        """Projected peak bytes of one worker, its child processes included."""
        return sum(term.bytes for term in self.terms)

    @property
    def driver_peak(self) -> int:
        """Projected peak bytes of the driver; 0 where nothing is known to grow in it."""
        return sum(term.bytes for term in self.driver)


@dataclass(frozen=True)
class Plan:
    """All steps of a job against the memory of a worker.

    Attributes:
        steps: In the order in which they run.
        workers: Worker processes.
        limit: Bytes of one worker.
    """

    steps: tuple[StepPlan, ...]
    workers: int
    limit: int

    @property
    def peak(self) -> int:
        """Projected peak bytes of one worker over all steps."""
        return max((step.peak for step in self.steps), default=0)

    @property
    def driver(self) -> int:
        """Projected peak bytes of the process that drives the run, over all steps."""
        return max((step.driver_peak for step in self.steps), default=0)

    def check(self) -> None:
        """Raise `PlanRefused` with the numbers and the way out when a step is over the limit."""
        for step in self.steps:
            if step.peak > step.bound(self.limit):
                raise PlanRefused(
                    f"step {step.name!r} needs {_mib(step.peak)} on each worker, "
                    f"the limit is {_mib(step.bound(self.limit))}",
                    where=", ".join(f"{term.name} {_mib(term.bytes)}" for term in step.terms),
                    hint=_way_out(step, self),
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for ``plan --json`` and the run folder."""
        steps = [{**asdict(step), "peak": step.peak} for step in self.steps]
        told = {"workers": self.workers, "limit": self.limit, "peak": self.peak}
        return {**told, "driver": self.driver, "steps": steps}


def _mib(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"


def _way_out(step: StepPlan, plan: Plan) -> str:
    ways = [f'set cluster.memory = "{-(-step.peak // MIB)} MiB" or more']
    shared = sum(term.bytes for term in step.terms if term.name.endswith("of this worker's rows"))
    room = plan.limit - (step.peak - shared)
    if shared and room > 0:
        ways.append(f"use {-(-shared * plan.workers // room)} workers of this size")
    return ", or ".join(ways) + ", or use fewer columns"
