"""The first two passes of a sort, in the workers: keys are drawn, partitions sorted and spilled.

See `engine.sorting.sort` for how these make a sort, and `engine.sorting.merge` for the third.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
import polars as pl

from engine.data.source import Batch, Source
from engine.errors import MillraceError
from engine.ledger import Ledger
from engine.place.kept import Kept
from engine.place.refusals import refusals
from engine.plan import Partition
from engine.rejected import quarantine
from engine.rejected.part import rejected_of
from engine.reserved import ROW
from engine.sorting import spilling
from engine.sorting.order import comparable, sorted_cuts
from engine.split import uniform
from engine.statistics.repeats import key_hashes

_SEED = 0x50F7

WRAP = 2**64
"""Checksums are sums modulo this."""

OTHER_ROWS = "Rows were lost, doubled or changed while they were sorted; nothing was published."
"""What is wrong when checksums differ."""

REPORT = "run again, and report this if it stays"
"""The way out then."""


@dataclass(frozen=True)
class Sampling:
    """Work of the first pass: how many keys are drawn.

    Attributes:
        source: The data set.
        by: What it is sorted by.
        keys: Keys drawn for each byte: wide rows count as much as the narrow ones that take their
            place in a range.
    """

    source: Source
    by: tuple[str, ...]
    keys: float

    @classmethod
    def of(
        cls, source: Source, by: tuple[str, ...], parts: Sequence[Partition], keys: int
    ) -> Sampling:
        """Return the work of drawing about so many keys, all partitions together."""
        return cls(source, by, keys / sum(map(_bytes, parts)))

    def share(self, partition: Partition) -> float:
        """Return the share of a partition's rows whose keys are drawn."""
        return min(1.0, self.keys * _bytes(partition) / partition.rows)


def _bytes(partition: Partition) -> int:
    """Return the decoded bytes of a partition, row numbers included."""
    return partition.bytes + 8 * partition.rows


@dataclass(frozen=True)
class Spilling:
    """Work of the second pass.

    Attributes:
        source: The data set.
        by: What it is sorted by.
        bounds: First keys of all ranges but the first.
        folder: Where the rows are spilled.
        fail: Whether one rejected row ends it.
    """

    source: Source
    by: tuple[str, ...]
    bounds: pl.DataFrame
    folder: Path
    fail: bool


@dataclass(frozen=True)
class Spilled:
    """What the second pass tells of partitions.

    Attributes:
        ranges: Good rows in each range.
        contents: Checksum of the good rows in each range, as they were read.
        rejected: Rejected rows by index of the partition, where there are any.
        ledger: Where the rows went.
        missing: Missing values in good rows, by column whose share of them is limited.
    """

    ranges: tuple[int, ...]
    contents: tuple[int, ...]
    rejected: Mapping[int, int]
    ledger: Ledger
    missing: Mapping[str, int]

    def merge(self, other: Spilled) -> Spilled:
        """Return what is known of both."""
        contents = zip(self.contents, other.contents, strict=True)
        return Spilled(
            tuple(a + b for a, b in zip(self.ranges, other.ranges, strict=True)),
            tuple((a + b) % WRAP for a, b in contents),
            {**self.rejected, **other.rejected},
            self.ledger.merge(other.ledger),
            dict(Counter(self.missing) + Counter(other.missing)),
        )

    def planned(self, rejected: Sequence[Sequence[int]]) -> list[int]:
        """Return the rows that each part accounts for; the first one those that were filtered.

        Args:
            rejected: Partitions whose rejected rows each part has.
        """
        bad = [sum(self.rejected[index] for index in some) for some in rejected]
        rows = [good + lost for good, lost in zip_longest(self.ranges, bad, fillvalue=0)]
        return [rows[0] + self.ledger.total.filtered, *rows[1:]]


def empty(types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return no rows of these columns."""
    return pl.DataFrame(schema=dict(types))


def plain(kind: pl.DataType) -> pl.DataType:
    """Return the type that is stored: categories as text."""
    return pl.String() if kind in (pl.Categorical, pl.Enum) else kind


def spill_file(folder: Path, index: int) -> Path:
    """Return where the good rows of a partition are spilled."""
    return folder / f"{index:05d}.arrow"


def rejected_file(folder: Path, index: int) -> Path:
    """Return where the rejected rows of a partition are spilled, if it has any."""
    return folder / f"{index:05d}.rejected"


def content_of(rows: pl.DataFrame) -> int:
    """Return a checksum of rows, their numbers aside, that does not depend on their order."""
    columns = [name for name in rows.columns if name != ROW]
    return int(key_hashes(rows, columns).to_numpy().sum(dtype=np.uint64))


def sample(work: Sampling, partition: Partition) -> pl.DataFrame:
    """Draw keys of a partition by row number. Runs in a task."""
    good = work.source.read(partition, work.by).good
    drawn = uniform(good[ROW].to_numpy().astype(np.uint64), _SEED) < work.share(partition)
    return comparable(good.filter(drawn), [*work.by, ROW])


def spill(work: Spilling, partition: Partition) -> Spilled:
    """Sort a partition and write its ranges. Runs in a task."""
    source, columns = work.source, list(work.source.types)
    batch = source.read(partition, columns)
    bad = _set_aside(work, partition, batch)
    rows = comparable(batch.good, [*columns, ROW])
    missing = batch.missing(source.contract.shares())
    ledger = Ledger.of(source.paths, partition, batch)
    del batch
    # In one chunk: picking rows from several writes their text out, repeats and all (measured).
    rows = rows.rechunk()
    content = content_of(rows)
    rows, cuts = sorted_cuts(rows, [*work.by, ROW], work.bounds)
    edges = [0, *cuts, rows.height]
    with refusals(work.folder):
        spilling.write(spill_file(work.folder, partition.index), rows, edges)
    ranges = tuple(high - low for low, high in pairwise(edges))
    contents = tuple(content_of(rows[low:high]) for low, high in pairwise(edges))
    if sum(contents) % WRAP != content:
        raise MillraceError(OTHER_ROWS, where=f"partition {partition.index}", hint=REPORT)
    return Spilled(ranges, contents, bad, ledger, missing)


def _set_aside(work: Spilling, partition: Partition, batch: Batch) -> dict[int, int]:
    """Spill the rejected rows of a partition and count them; with ``fail`` refuse them."""
    rejected = rejected_of(work.source, partition, batch, work.fail)
    if not rejected.height:
        return {}
    path = rejected_file(work.folder, partition.index)
    quarantine.write(rejected, Kept.of(path))
    return {partition.index: rejected.height}
