"""A rank's rows, read and coded into blocks on its disk, a byte a cell.

A thread reads one partition ahead, so that decoding goes on while rows are binned; two partitions
are held at most. Blocks that are there already, from a training that was interrupted or from the
one before, are not made again.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.bins.block import Block, Form, Stored
from engine.boosting.bins.coder import CHECKED, Coder, Plain, coder_for, compare
from engine.boosting.bins.layout import Unsupported
from engine.boosting.bins.turns import Turns
from engine.boosting.source import Portion, Rows, RowSource
from engine.errors import InputChanged, MillraceError, TrainingFailed

Progress = Callable[[int], None]
"""Called with the rows of each block that is there."""


@dataclass
class Blocks:
    """The blocks of a training on the disk of a worker.

    Attributes:
        folder: Where they are; ranks of one machine share it.
        reference: Dataset that holds the bins.
        form: What blocks hold.
        turns: How rows are shared out over subsets.
        coder: How rows are coded.
    """

    folder: Path
    reference: Any
    form: Form
    turns: Turns
    coder: Coder

    @classmethod
    def within(
        cls,
        folder: Path,
        reference: Any,
        source: RowSource,
        outputs: int,
        turns: Turns,
        *,
        plain: bool = False,
    ) -> Blocks:
        """Return the blocks of a folder for the rows of a source.

        Args:
            folder: Named after the content of the blocks; need not be there.
            reference: Dataset that holds the bins.
            source: Where rows come from.
            outputs: Raw scores of a row.
            turns: How rows are shared out over subsets.
            plain: Rows are wanted as they are, not as bins.
        """
        width = len(source.features)
        coder = Plain(width) if plain else coder_for(reference, width)
        form = Form(coder.cells, source.vectors, outputs)
        blocks = cls(folder, reference, form, turns, coder)
        blocks.place.mkdir(parents=True, exist_ok=True)
        return blocks

    @property
    def place(self) -> Path:
        """Folder of the blocks that are coded in this way."""
        return self.folder / f"{type(self.coder).__name__.lower()}-{self.turns.subsets}"

    def of(self, portion: Portion) -> Block:
        """Return the block that holds some rows."""
        index = portion.partition.index
        return Block.at(self.place, index, portion.part, portion.rows, self.form)

    def stored(self, portion: Portion) -> Stored:
        """Return all rows of the part of a partition that some rows are of."""
        return self.of(portion)

    def there(self, portion: Portion) -> bool:
        """Tell whether all that is kept of some rows is there."""
        return self.of(portion).there

    def fill(self, source: RowSource, shard: Sequence[Portion], progress: Progress) -> None:
        """Make the blocks that are not there.

        Raises:
            InputChanged: A partition has other rows than were counted.
            MillraceError: What the source raised.
        """
        missing = []
        for portion in shard:
            if self.there(portion):
                progress(portion.stop - portion.start)
            else:
                missing.append(portion)
        for number, (portion, rows) in enumerate(_read_ahead(source, missing)):
            if not number:
                self._check(rows)
            self._write(portion, rows)
            progress(portion.stop - portion.start)

    def _check(self, rows: Rows) -> None:
        try:
            compare(self.coder, self.reference, rows.x[:CHECKED])
        except Unsupported as error:
            print(f"LightGBM bins the rows itself, which is slower: {error}", file=sys.stderr)
            self.coder = Plain(rows.x.shape[1])
            self.form = replace(self.form, cells=self.coder.cells)
            self.place.mkdir(parents=True, exist_ok=True)

    def _write(self, portion: Portion, rows: Rows) -> None:
        order = self.turns.order(rows, portion.partition.index, portion.head)
        cells = self.coder.encode(np.ascontiguousarray(rows.x, np.float32))
        if order is not None:
            cells = [column[order] for column in cells]
            rows = _reordered(rows, order)
        self.of(portion).write(cells, rows)


def _reordered(rows: Rows, order: npt.NDArray[np.int64]) -> Rows:
    """Return rows in another order, without their matrix: it has been coded."""
    weight, init, query = rows.weight, rows.init, rows.query
    return Rows(
        rows.x[:0],
        rows.y[order],
        None if weight is None else weight[order],
        None if init is None else init[order],
        None if query is None else query[order],
    )


def _read_ahead(source: RowSource, portions: Sequence[Portion]) -> Iterator[tuple[Portion, Rows]]:
    """Yield the rows of partitions; while one is worked on, the next is read.

    After an error the reading thread stays behind; the rank's process ends then.
    """
    read: queue.SimpleQueue[Rows | BaseException] = queue.SimpleQueue()
    wanted = threading.Semaphore(1)

    def go_on() -> None:
        try:
            for portion in portions:
                wanted.acquire()
                read.put(_read(source, portion))
        except BaseException as error:
            read.put(error)

    threading.Thread(target=go_on, name="reader", daemon=True).start()
    for portion in portions:
        rows = read.get()
        wanted.release()
        if isinstance(rows, BaseException):
            raise rows
        yield portion, rows


def _read(source: RowSource, portion: Portion) -> Rows:
    place = f"partition {portion.partition.index}"
    try:
        rows = source.read(portion.partition, portion.part)
    except MillraceError:
        raise
    except BaseException as error:  # a panic in Polars is a BaseException
        what = f"a partition cannot be read: {type(error).__name__}: {error}"
        raise TrainingFailed(what, where=place) from error
    if len(rows.y) != portion.rows or len(rows.x) != portion.rows:
        raise InputChanged(
            f"a partition has {len(rows.y):,} {portion.part} rows, "
            f"{portion.rows:,} were counted before",
            where=place,
            hint="run the job again: its input has changed since it was prepared",
        )
    return rows
