"""A partition read together with the rows before it, for steps that look at earlier rows.

Of data that are sorted by key and time, the rows that such a step needs are the good ones directly
before the partition. They may lie in other partitions and files, with rejected and filtered rows in
between: blocks are read backwards until there are enough of them, the key changes or the data
begin. That the data are sorted is verified from row to row, and across partitions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from engine.data.position import positions
from engine.data.source import Batch, Source
from engine.earlier import Look, assert_together, either
from engine.errors import ContractRefused, SpecError
from engine.features.combine.windows import Window
from engine.features.pipeline import derived_for
from engine.features.step import Fitted
from engine.plan import Partition, Slice
from engine.reserved import ROW
from engine.sorting.order import comparable, first_unsorted

FIRST_ROWS = 1024
"""Rows of the first block that is read backwards; each further one has twice as many."""


@dataclass(frozen=True)
class History:
    """What windows look at, and where the rows before a partition are; small, sent to workers.

    Attributes:
        looks: What looks at earlier rows: of one pipeline, or of several that want one order.
        slices: All rows of the data set, in order, in as few slices as can be.
    """

    looks: tuple[Look, ...]
    slices: tuple[Slice, ...]

    @classmethod
    def of(
        cls, steps: Iterable[Fitted], derive: Mapping[str, str], partitions: Iterable[Partition]
    ) -> History | None:
        """Return the history of a data set; None when no step looks at earlier rows.

        Args:
            steps: Fitted steps of a pipeline.
            derive: Its derived columns.
            partitions: All partitions of the data set, of any size, in order.

        Raises:
            SpecError: Two steps want the rows in different orders.
        """
        windows = tuple(step for step in steps if isinstance(step, Window))
        orders = {(*window.by, window.time): window for window in windows}
        if len(orders) > 1:
            raise SpecError(
                "steps look at earlier rows by different keys or times, but data have one order: "
                + either(orders),
                where="features.steps",
                hint="give them all the same by and time",
            )
        names = [n for window in windows for n in (*window.columns, *window.by, window.time)]
        needed = derived_for(derive, names)
        return cls((Look(windows, needed),), _joined(partitions)) if windows else None

    @classmethod
    def together(cls, named: Mapping[str, History | None]) -> History | None:
        """Return one history of several pipelines over the same data; None when none has any.

        Args:
            named: Their histories, by the key in the job file that errors name.

        Raises:
            SpecError: Two of them want the rows in different orders, or make different columns of
                the same name.
        """
        found = {key: history for key, history in named.items() if history is not None}
        looks = {key: look for key, history in found.items() for look in history.looks}
        assert_together(looks)
        slices = next((history.slices for history in found.values()), ())
        return cls(tuple(looks.values()), slices) if looks else None

    @property
    def order(self) -> list[str]:
        """Columns that the data must be sorted by: the keys, then the time."""
        return self.looks[0].order

    @property
    def lookback(self) -> int:
        """Rows of a key before a row that are needed; at least one, to verify the order."""
        return max(1, *(window.lookback for look in self.looks for window in look.windows))

    @property
    def made(self) -> list[str]:
        """Columns that `read` adds, each once."""
        return list(dict.fromkeys(name for look in self.looks for name in look.made))

    @property
    def reads(self) -> list[str]:
        """Columns of the data that the windows are made from."""
        found: dict[str, None] = {}
        for look in self.looks:
            found |= dict.fromkeys(look.reads)
        return list(found)

    def read(self, source: Source, partition: Partition, columns: Sequence[str]) -> Batch:
        """Read a partition as `Source.read` does, with what the windows make of it in ``good``.

        Every row gets what it would get if the whole data set were one partition, to the bit.

        Args:
            source: The data set.
            partition: Some of its rows.
            columns: Columns that the caller needs.

        Raises:
            ContractRefused: Rows are not in the order of keys and time.
            InputChanged: A file is not the one that was listed.
            InputError: A file is damaged.
        """
        wanted = list(dict.fromkeys([*columns, *self.reads]))
        batch = source.read(partition, wanted)
        before, place = self._before(source, partition, wanted, batch.good)
        rows = pl.concat([before, batch.good])
        self._assert_sorted(source, place, self.looks[0].add_derived(rows))
        return replace(batch, good=batch.good.hstack(self._windows(rows).tail(batch.good.height)))

    def _windows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return what the windows make of rows; what two pipelines have in common is made once."""
        made: dict[str, pl.Series] = {}
        for look in self.looks:
            fresh = [value for name, value in look.expressions().items() if name not in made]
            columns = look.add_derived(rows).select(fresh)
            made |= {one.name: one for one in columns}
        return pl.DataFrame(list(made.values()))

    def _before(
        self, source: Source, partition: Partition, columns: Sequence[str], good: pl.DataFrame
    ) -> tuple[pl.DataFrame, Partition]:
        """Return the good rows before a partition, and a partition that holds it and them."""
        found, read = good.clear(), partition
        if not good.height:
            return found, read
        key = self._keys(good.head(1))
        for block in self._back(partition):
            read = replace(read, slices=(*block.slices, *read.slices))
            found = pl.concat([source.read(block, columns).good, found])
            if found.height >= self.lookback or (
                found.height and not self._keys(found.head(1)).equals(key)
            ):
                break
        return found.tail(self.lookback), read

    def _keys(self, rows: pl.DataFrame) -> pl.DataFrame:
        return comparable(self.looks[0].add_derived(rows), self.order[:-1])

    def _back(self, partition: Partition) -> Iterator[Partition]:
        """Yield the rows before a partition, last ones first, in blocks that grow to its size."""
        end = partition.slices[0].first
        rows = max(FIRST_ROWS, self.lookback)
        most = max(rows, partition.rows)
        for part in reversed(self.slices[: bisect_left(self.slices, end, key=_first)]):
            high = min(part.rows, end - part.first)
            while high > 0:
                # A byte range is one read: it cannot be cut by rows, and ends where ours begins.
                low = 0 if part.span else max(0, high - rows)
                block = Slice(part.file, part.start + low, high - low, part.first + low, part.span)
                yield replace(partition, slices=(block,), rows=block.rows)
                high, rows = low, min(2 * rows, most)

    def _assert_sorted(self, source: Source, place: Partition, rows: pl.DataFrame) -> None:
        early = first_unsorted(rows, self.order)
        if early is None:
            return
        at = positions(source.paths, place, rows[ROW][early : early + 1]).row(0, named=True)
        names = ", ".join(self.order)
        listed = ", ".join(f'"{name}"' for name in self.order)
        raise ContractRefused(
            f"steps that look at earlier rows need data sorted by {names}, and this row belongs "
            "before the one above it",
            where=f"{at['file']}, row {at['row']}",
            hint=f"sort the data with a section [sort]: by = [{listed}]",
        )


def read_with(
    history: History | None, source: Source, partition: Partition, columns: Sequence[str]
) -> Batch:
    """Read a partition, with what looks at earlier rows where there is such a thing."""
    if history is None:
        return source.read(partition, columns)
    return history.read(source, partition, columns)


def _first(part: Slice) -> int:
    return part.first


def _joined(partitions: Iterable[Partition]) -> tuple[Slice, ...]:
    """Put slices together that follow each other in a file; byte ranges stay as they are."""
    joined: list[Slice] = []
    for part in (part for partition in partitions for part in partition.slices if part.rows):
        last = joined[-1] if joined else None
        if (
            last
            and not (part.span or last.span)
            and (last.file, last.first + last.rows)
            == (
                part.file,
                part.first,
            )
        ):
            joined[-1] = replace(last, rows=last.rows + part.rows)
        else:
            joined.append(part)
    return tuple(joined)
