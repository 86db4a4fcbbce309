"""Parts that fail are set aside, and the others finish.

A part is set aside for what lies in itself: its file is damaged, its model fails on it, it takes
its workers down. What would fail every part, such as a changed input, or a store or disk that fails
for longer than it is waited for, ends the job.
Until all others are finished nothing is written about it, so that a rerun tries it again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeVar

import polars as pl
from distributed import Client

from engine import process
from engine.commit import BadPart, Run, Staged, Unread
from engine.contract import COLUMN, REASON, RULE, TOLD, VALUE
from engine.data.source import Batch, Source
from engine.encoding import encoded
from engine.errors import (
    InputChanged,
    InputError,
    InputRefused,
    MillraceError,
    ModelFailed,
    TaskFailed,
)
from engine.formats.format import MALFORMED
from engine.ledger import Ledger
from engine.outages import outage_of
from engine.plan import Partition, Slice
from engine.rejected.part import rejected_of
from engine.rejected.quarantine import quarantined
from engine.reserved import ROW
from engine.tasks.calls import place
from engine.tasks.execute import AHEAD, Done, Failed, Notice, attempted, log

W = TypeVar("W")

PART_FAILED = "part failed"
"""What the reason of a row begins with that is in quarantine for its part."""

_CUTS = 64
"""A row range that cannot be read is halved down to this share of it: each half is a read."""

_TOLD = 120  # characters of an error that each of its rows repeats


@dataclass(frozen=True)
class BadParts:
    """How parts are set aside.

    Attributes:
        source: The rows.
        columns: Columns that go to quarantine; those that the pass reads.
        parts: Parts of the whole job.
        fail: A row that breaks the contract ends the job, in bad parts too.
    """

    source: Source
    columns: tuple[str, ...]
    parts: int
    fail: bool

    def over(
        self,
        client: Client,
        function: Callable[[W, Partition], Staged],
        work: W,
        partitions: Sequence[Partition],
        *,
        run: Run,
        threads: int,
        notice: Notice = log,
    ) -> Iterator[Done[Staged]]:
        """Stage every partition; one that fails is tried once more, alone, and then set aside.

        Alone: what failed since its neighbour took the worker down or the memory gets its chance.

        Args:
            client: An open Dask client.
            function: Makes the part of one partition, in the worker.
            work: What all calls share.
            partitions: What to work on.
            run: Where parts are staged.
            threads: Threads of all workers together.
            notice: Hears of second runs and outages.

        Raises:
            MillraceError: What failed is not for the part to answer for, or all parts failed.
        """

        def tried(
            failed: list[Failed],
            call: Callable[[Any, Partition], Staged],
            shared: object,
            parts: Sequence[Partition],
            under_way: int,
        ) -> Iterator[Done[Staged]]:
            if parts:
                done = attempted(client, call, shared, parts, under_way=under_way, notice=notice)
                yield from _finished(done, failed)

        failed: list[Failed] = []
        yield from tried(failed, function, work, partitions, threads * AHEAD)
        if not failed:
            return
        if len(failed) == self.parts:
            raise failed[0].error  # it is not the parts
        still = [one for one in failed if one.alone]
        again = _parts([one for one in failed if not one.alone])
        yield from tried(still, function, work, again, 1)
        errors = {one.partition.index: one.error for one in still}
        aside = SettingAside(self.source, run, self.columns, self.fail, errors)
        lost: list[Failed] = []
        yield from tried(lost, set_aside, aside, _parts(still), threads)
        for one in lost:
            yield Done(one.partition, aside.unreadable(one), process.name(), process.peak())


def _finished(
    outcomes: Generator[Done[Staged] | Failed], failed: list[Failed]
) -> Iterator[Done[Staged]]:
    """Yield the partitions that are finished, and add those that failed to a list."""
    with closing(outcomes):
        for outcome in outcomes:
            if isinstance(outcome, Done):
                yield outcome
            elif is_its_own(outcome.error):
                failed.append(outcome)
            else:
                raise outcome.error


def is_its_own(error: MillraceError) -> bool:
    """Tell whether an error lies in the part that raised it, so that others may do better."""
    return isinstance(error, (InputError, ModelFailed, TaskFailed)) and not isinstance(
        error, (InputChanged, InputRefused)
    )


def _parts(failed: Sequence[Failed]) -> list[Partition]:
    return [one.partition for one in failed]


@dataclass(frozen=True)
class SettingAside:
    """What the tasks that set parts aside share.

    Attributes:
        source: The rows.
        run: Where parts are staged.
        columns: Columns that go to quarantine.
        fail: A row that breaks the contract ends the job.
        errors: Why each part failed, by its index.
    """

    source: Source
    run: Run
    columns: tuple[str, ...]
    fail: bool
    errors: dict[int, MillraceError]

    def unreadable(self, failed: Failed) -> Staged:
        """Set a part aside of which no row can be read, for it fails there too."""
        partition, why = failed.partition, _line(failed.error)
        unread = [self._unread(part, why) for part in partition.slices if part.rows]
        return self._stage(partition, Ledger(), pl.DataFrame(), unread)

    def _unread(self, part: Slice, why: str) -> Unread:
        path = self.source.files[part.file].path
        return Unread(file=path, first=part.start, rows=part.rows, error=why)

    def _stage(
        self,
        partition: Partition,
        ledger: Ledger,
        rejected: pl.DataFrame,
        unread: Sequence[Unread],
    ) -> Staged:
        error = self.errors[partition.index]
        told = f"{_line(error)} ({error.where})" if error.where else _line(error)
        return self.run.stage(
            partition.index,
            [],
            [encoded(rejected.to_arrow())] if rejected.height else [],
            rows_in=partition.rows,
            filtered=ledger.total.filtered,
            reasons=ledger.reasons,
            inputs=ledger.files,
            worker=process.name(),
            bad=BadPart(error=told, unread=tuple(unread)),
        )


def set_aside(work: SettingAside, partition: Partition) -> Staged:
    """Put the rows of a failed part into quarantine, and count those that cannot be read.

    Rows that break the contract keep their own reason, and rows that ``where`` leaves out are
    left out.

    Returns:
        The staged part; or that of another attempt, which may have scored it.

    Raises:
        ContractRefused: A row breaks the contract and bad rows were to fail the job.
    """
    error = work.errors[partition.index]
    batches: list[Batch] = []
    ledgers: list[Ledger] = []
    unread: list[Unread] = []
    for part in partition.slices:
        for piece, found in _pieces(work, partition, part, max(1, part.rows // _CUTS)):
            if isinstance(found, MillraceError):
                unread.append(work._unread(piece.slices[0], _line(found)))
                continue
            batch = _rejected(work, piece, found, f"{PART_FAILED}: {_line(error)}")
            batches.append(batch)
            ledgers.append(Ledger.of(work.source.paths, piece, batch))
    rejected = pl.DataFrame()
    if any(batch.rejected.height for batch in batches):
        rows = pl.concat([batch.rejected for batch in batches])
        rejected = quarantined(work.source.files, work.source.format, partition, rows)
    return work._stage(partition, reduce(Ledger.merge, ledgers, Ledger()), rejected, unread)


def _pieces(
    work: SettingAside, partition: Partition, part: Slice, least: int
) -> Iterator[tuple[Partition, pl.DataFrame | MillraceError]]:
    """Yield row ranges of a slice, as read or with the error; what fails is halved."""
    piece = replace(partition, slices=(part,), rows=part.rows)
    found: pl.DataFrame | MillraceError
    try:
        found = work.source.raw(piece, work.columns)
    except (InputChanged, InputRefused):
        raise
    except InputError as error:
        if outage := outage_of(error, place(piece)):
            raise outage from error
        found = error
    if isinstance(found, pl.DataFrame) or part.span or part.rows < 2 * least:
        yield piece, found
        return
    half = part.rows // 2
    first = replace(part, rows=half)
    second = replace(part, start=part.start + half, first=part.first + half, rows=part.rows - half)
    yield from _pieces(work, partition, first, least)
    yield from _pieces(work, partition, second, least)


def _rejected(work: SettingAside, piece: Partition, raw: pl.DataFrame, reason: str) -> Batch:
    """Return rows that were read as rejected ones, as they were read, each with its reason."""
    batch = work.source.checked(raw, work.columns)
    rejected_of(work.source, piece, batch, work.fail)
    told = {REASON: reason, COLUMN: None, RULE: reason, VALUE: None}
    left = raw.filter(pl.col(ROW).is_in(batch.good[ROW].implode())).select(pl.exclude(MALFORMED))
    failed = left.with_columns(pl.lit(told[name], pl.String).alias(name) for name in TOLD)
    rejected = pl.concat([failed, batch.rejected]).sort(ROW)
    return Batch(batch.good.clear(), rejected, batch.filtered)


def _line(error: MillraceError) -> str:
    return " ".join(error.what.split())[:_TOLD]
