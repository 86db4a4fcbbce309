"""Profile a data set: the pass over its partitions, run on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from distributed import Client

from engine.data.source import Source
from engine.errors import ContractRefused
from engine.ledger import Ledger
from engine.plan import Partition
from engine.profile.request import Request
from engine.profile.results import Profile
from engine.profile.state import State
from engine.rejected.bad_rows import BadRows
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.cuts import with_cuts

Progress = Callable[[Done[Any]], None]


@dataclass(frozen=True)
class ProfileWork:
    """What the tasks of a profile share: the rows, what to find out, where bad rows go."""

    source: Source
    request: Request
    bad: BadRows


def request_for(
    types: Mapping[str, pl.DataType], partitions: Sequence[Partition], **asked: Any
) -> Request:
    """Return a request for all columns of a data set.

    Args:
        types: Of the data set (``Dataset.schema``).
        partitions: Of the data set.
        asked: Other fields of `Request`.

    Raises:
        SpecError: The target's expression does not fit the columns.
    """
    request = Request(dict(types), sum(part.rows for part in partitions), **asked)
    if request.target is not None:
        _ = request.label_type
    return request


def profile(
    client: Client,
    source: Source,
    partitions: Sequence[Partition],
    request: Request,
    *,
    bad: BadRows,
    threads: int,
    progress: Progress,
) -> Profile:
    """Profile a data set on the cluster; the same bits whatever the cluster.

    Args:
        client: An open Dask client.
        source: How partitions are read.
        partitions: All partitions.
        request: What to find out.
        bad: What is done with rows that break the contract.
        threads: Threads of all workers together.
        progress: Called for every finished partition.

    Raises:
        ContractRefused: No row is left to look at, or a bad row was to end the job.
    """
    if request.split is not None:
        split = with_cuts(client, source, request.split, partitions, threads=threads)
        request = replace(request, split=split)
    work = ProfileWork(source, request, bad)

    def watched() -> Iterable[Done[State]]:
        for done in over_partitions(client, look, work, partitions, threads=threads):
            progress(done)
            yield done

    return merged((done.result for done in in_order(watched(), partitions)), request)


def look(work: ProfileWork, partition: Partition) -> State:
    """Look at one partition. Runs inside a task."""
    batch = work.source.read(partition, work.request.columns)
    work.bad.keep(work.source, partition, batch)
    ledger = Ledger.of(work.source.paths, partition, batch)
    return State.of(batch.good, work.request, ledger)


def merged(states: Iterable[State], request: Request) -> Profile:
    """Merge the states of all partitions, in their order.

    Raises:
        ContractRefused: There is no partition, or no row is left to look at.
    """
    total: State | None = None
    for state in states:
        total = state if total is None else total.merge(state)
    if total is None or not total.ledger.total.good:
        found = {} if total is None else total.ledger.reasons
        raise ContractRefused(
            "no row is left to profile",
            where=", ".join(f"{count:,} {reason}" for reason, count in found.items()) or None,
            hint="look at location, where and contract",
        )
    return Profile(request, total)
