"""A data set sorted on disk: a sample sort in three passes of bounded tasks.

The first pass draws a sample of keys, from which the driver takes the bounds of about as many
ranges as there are partitions. The second sorts each partition and spills it to one file, cut into
the ranges. The third reads a range from all of these, sorts it and stages it as
one Parquet part, which is read back. The row number in the data set is the last key: rows of equal
keys keep their order, and a key that half of the rows have is cut into ranges like any other.
Dask's own ``sort_values`` would put those in one partition and so in one worker's memory.

Nothing is staged for a commit unless rows, a checksum of their content and their order are right.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from distributed import Client
from pydantic import JsonValue

from engine.commit import Output, Run
from engine.data.dataset import Dataset
from engine.errors import MillraceError, SpecError
from engine.place import durable
from engine.place.refusals import refusals
from engine.plan import Partition, Slice
from engine.reserved import ROW
from engine.schema import require
from engine.sorting.merge import Merging, merge
from engine.sorting.order import comparable, first_unsorted
from engine.sorting.tasks import Sampling, Spilled, Spilling, empty, plain, sample, spill
from engine.tasks.execute import Done, in_order, over_partitions

W = TypeVar("W")
R = TypeVar("R")
Progress = Callable[[Done[Any]], None]

_SAMPLE = 256
"""Sampled keys a range: its bytes are then within a quarter of the mean (four standard errors)."""


@dataclass(frozen=True)
class Sort:
    """What is sorted, and what is done with rows that break the contract.

    Attributes:
        dataset: The data.
        by: Columns, the most important first: the keys, then the time.
        partitions: All of the data, with all columns; a range has as many bytes on average.
        fail: Whether one row that breaks the contract ends it.
        max_bad: Largest share of such rows, if there is one.

    Raises:
        SpecError: There is no such column, none is named, or one is named twice.
    """

    dataset: Dataset
    by: tuple[str, ...]
    partitions: Sequence[Partition]
    fail: bool = False
    max_bad: float | None = None

    def __post_init__(self) -> None:
        """Check the columns."""
        require(self.by, self.dataset.schema, "sort.by")
        if not self.by or len(set(self.by)) < len(self.by):
            raise SpecError("name the columns to sort by, each once", where="sort.by")

    def gate(self, spilled: Spilled) -> None:
        """Refuse data that do not add up, or break the contract as a whole."""
        contract, ledger = self.dataset.source.contract, spilled.ledger
        ledger.check(self.dataset.rows_by_file())
        if self.max_bad is not None:
            ledger.refuse_over(self.max_bad, f"data.{contract.name}.max_bad")
        contract.gate(spilled.missing, ledger.total.good)


def sort_dataset(
    client: Client,
    sort: Sort,
    place: Output,
    spec: Mapping[str, JsonValue],
    scratch: Path,
    *,
    threads: int,
    progress: Progress = lambda done: None,
) -> Run:
    """Stage the good rows of a data set as Parquet parts that are sorted across all of them.

    Ascending, missing values first, text by its bytes; rows of equal keys stay in their order.
    One copy of the rows is spilled to disk while this runs. Parts that an earlier call has staged
    are read back and kept.

    Args:
        client: An open Dask client; its workers see the output's folder.
        sort: What is sorted.
        place: Where to; after `Output.preflight`. Two drivers that sort the same data to it at
            the same time share the spilled rows; when one ends, the other may have to run again.
        spec: What the result depends on; see `engine.commit.run_key`.
        scratch: A folder that all workers see, for the spilled rows; see `Output.scratch`.
        threads: Threads of all workers together.
        progress: Called for every finished task, of three passes.

    Returns:
        The run, for `Output.commit`. Rejected rows are staged beside the parts, and the first
        part's record says where the rows of each input file went.

    Raises:
        ContractRefused: Rows break the contract, or too many do.
        OutputRefused: The output cannot be written.
        MillraceError: Rows were lost, doubled or changed on the way.
    """
    folder = scratch / f"sort-{place.key}"
    with refusals(folder):
        durable.make_folder(folder)
        try:
            passes = _Passes(client, sort, folder, threads, progress)
            spilled = passes.spill(passes.bounds())
            sort.gate(spilled)
            rejected = _together(spilled.rejected, max(part.rows for part in sort.partitions))
            planned = spilled.planned(rejected)
            run = place.begin(spec, planned)
            passes.merge(run, spilled, rejected, planned)
            return run
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Passes:
    """The three passes over the cluster, as the driver sees them."""

    client: Client
    sort: Sort
    folder: Path
    threads: int
    progress: Progress

    def bounds(self) -> pl.DataFrame:
        """Return the first keys of all ranges but the first."""
        source, parts = self.sort.dataset.source, self.sort.partitions
        order = [*self.sort.by, ROW]
        none = comparable(empty({**source.types, ROW: pl.Int64()}), order)
        if len(parts) < 2:
            return none
        work = Sampling.of(source, self.sort.by, parts, _SAMPLE * len(parts))
        keys = pl.concat([none, *self._run(sample, work, parts)]).sort(order)
        # Where many rows are left out, there are fewer ranges than partitions.
        left = keys.height / sum(work.share(part) * part.rows for part in parts)
        ranges = math.ceil(len(parts) * min(1.0, left))
        return keys[sorted({keys.height * i // ranges for i in range(1, ranges)})]

    def spill(self, bounds: pl.DataFrame) -> Spilled:
        """Sort each partition into a file of its own."""
        sort = self.sort
        work = Spilling(sort.dataset.source, sort.by, bounds, self.folder, sort.fail)
        return reduce(Spilled.merge, self._run(spill, work, sort.partitions))

    def merge(
        self,
        run: Run,
        spilled: Spilled,
        rejected: Sequence[Sequence[int]],
        planned: Sequence[int],
    ) -> None:
        """Stage each range as a part; make sure that they follow each other."""
        types = {name: plain(kind) for name, kind in self.sort.dataset.schema.items()}
        spills = len(self.sort.partitions)
        by, done = self.sort.by, run.done()
        work = Merging(types, by, self.folder, spills, rejected, spilled, run, done)
        starts = accumulate(planned, initial=0)
        ranges = [
            Partition(i, (Slice(0, first, rows, first),), rows, 0, 0, 0)
            for i, (first, rows) in enumerate(zip(starts, planned, strict=False))
        ]
        if first_unsorted(pl.concat(self._run(merge, work, ranges)), by) is not None:
            hint = "nothing was published; report this"
            raise MillraceError("The sorted parts do not follow each other.", hint=hint)

    def _run(
        self, task: Callable[[W, Partition], R], work: W, parts: Sequence[Partition]
    ) -> Iterator[R]:
        def watched() -> Iterator[Done[R]]:
            for done in over_partitions(self.client, task, work, parts, threads=self.threads):
                self.progress(done)
                yield done

        return (done.result for done in in_order(watched(), parts))


def _together(rejected: Mapping[int, int], most: int) -> list[list[int]]:
    """Put partitions with rejected rows together, so that few of them do not make many files.

    Args:
        rejected: Rejected rows by partition.
        most: Rows of a file; no partition has more.

    Returns:
        The partitions of each file.
    """
    files: list[list[int]] = []
    filled = most
    for index, rows in sorted(rejected.items()):
        if filled + rows > most:
            files.append([])
            filled = 0
        files[-1].append(index)
        filled += rows
    return files
