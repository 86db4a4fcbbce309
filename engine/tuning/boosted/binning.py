"""All rows coded into blocks on the disk of a host: once, by all trials that find some missing.

The blocks are those of training itself (`engine.boosting.rank.loading`), under the same name, so
that a training which keeps its bins finds them, and the other way round. A process takes a
partition by a lock on a byte of a file, which the system gives back when it dies.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.boosting.bins.block import Form
from engine.boosting.bins.coder import coder_for
from engine.boosting.bins.turns import Turns
from engine.boosting.rank.loading import Progress
from engine.boosting.rank.marked import MarkedBlocks
from engine.boosting.source import Portion, RowSource
from engine.tuning.boosted.work import Bench

LOCKS = "filling"
"""File in the folder of blocks whose bytes stand for partitions that are being read."""

GRASP = 4
"""Partitions that a process takes at once: while one is coded, the next is read."""


@dataclass
class SharedBlocks(MarkedBlocks):
    """Blocks that several processes make together."""

    @classmethod
    def of_bench(cls, bench: Bench, folder: Path, reference: Any, outputs: int) -> SharedBlocks:
        """Return the blocks of a study.

        Args:
            bench: Its rows.
            folder: Of the blocks on this host.
            reference: Dataset that holds the bins.
            outputs: Raw scores of a row.
        """
        coder = coder_for(reference, bench.width)
        form = Form(coder.cells, bench.vectors, outputs)
        blocks = cls(folder, reference, form, Turns(), coder, bench.masks, bench.folds)
        blocks.place.mkdir(parents=True, exist_ok=True)
        return blocks

    def share(
        self, source: Callable[[], RowSource], shard: tuple[Portion, ...], progress: Progress
    ) -> None:
        """Make the blocks that are not there, beside other processes; return when all are.

        Args:
            source: Returns where rows come from; asked only if any are missing.
            shard: All rows.
            progress: Called with the rows of each block that this process has made.

        Raises:
            InputChanged: A partition has other rows than were counted.
            MillraceError: What the source raised.
        """
        reads: RowSource | None = None
        while missing := [portion for portion in shard if not self.there(portion)]:
            reads = reads or source()
            with self._taken(missing) as taken:
                # It looks again: another may have made them between our look and our lock.
                super().fill(reads, taken, progress)

    @contextmanager
    def _taken(self, missing: list[Portion]) -> Iterator[list[Portion]]:
        """Take some partitions that nobody reads, or wait for one that somebody does."""
        with (self.place / LOCKS).open("ab") as file:
            numbers = list(dict.fromkeys(portion.partition.index for portion in missing))
            taken: list[int] = []
            for number in numbers:
                if len(taken) < GRASP and _lock(file.fileno(), number, wait=False):
                    taken.append(number)
            if not taken and _lock(file.fileno(), numbers[0], wait=True):
                taken = numbers[:1]
            yield [portion for portion in missing if portion.partition.index in taken]


def _lock(file: int, number: int, *, wait: bool) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, number)
    except BlockingIOError:
        return False
    return True
