"""Queries of a ranking: rows that are ranked against each other stand together, in one part.

A partition tells its runs of equal queries; from those of all partitions the driver sees whether
each query is whole, and which rows at the start of a partition belong to the query before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from engine.errors import ContractRefused

Hashes = npt.NDArray[np.uint64]

LONGEST = 10_000
"""Training rows that a query may have.

Source: ``kMaxPosition`` in LightGBM's ``rank_objective.hpp``, above which it stops."""

_WHERE = "train.query"


def starts_of(query: Hashes) -> npt.NDArray[np.int64]:
    """Return the rows at which a query begins that is not that of the row before, from row 0."""
    return np.flatnonzero(np.append(len(query) > 0, query[1:] != query[:-1]))


@dataclass(frozen=True)
class Runs:
    """Runs of rows of one query, among the rows of one part of a partition.

    Attributes:
        hashes: Query of each run, uint64, shape (runs,).
        first: Rows of the first run.
        last: Rows of the last run; the first one's where there is one alone.
        longest: Rows of the longest run.
    """

    hashes: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    first: int = 0
    last: int = 0
    longest: int = 0

    @classmethod
    def of(cls, query: Hashes) -> Runs:
        """Return the runs of rows, given the query of each, shape (rows,)."""
        if not len(query):
            return cls()
        starts = starts_of(query)
        rows = np.diff(np.r_[starts, len(query)])
        return cls(query[starts], int(rows[0]), int(rows[-1]), int(rows.max()))


def heads(runs: Sequence[Runs]) -> list[int]:
    """Return how many rows at the start of each partition go on with the query before.

    Args:
        runs: Runs of one part in each partition, in order; a partition may have none.
    """
    found, before = [], None
    for one in runs:
        goes_on = bool(len(one.hashes)) and before is not None and one.hashes[0] == before
        found.append(one.first if goes_on else 0)
        before = one.hashes[-1] if len(one.hashes) else before
    return found


def longest(runs: Sequence[Runs]) -> int:
    """Return the rows of the longest query of one part, over the borders of partitions."""
    most = under_way = 0
    for one, head in zip(runs, heads(runs), strict=True):
        if not len(one.hashes):
            continue
        carried = under_way + one.first if head else one.first
        under_way = carried if len(one.hashes) == 1 else one.last
        most = max(most, carried, one.longest)
    return most


def assert_whole(parts: Mapping[str, Sequence[Runs]], column: str) -> None:
    """Refuse queries that are cut, or too long to be trained on.

    Args:
        parts: By part (``train``, ``valid``, ``test``): the runs of all partitions, in order.
        column: The query column, for the error messages.

    Raises:
        ContractRefused: The rows of a query stand apart or are in several parts, or a training
            query has more than `LONGEST` rows.
    """
    whole = {name: _whole(runs, column, name) for name, runs in parts.items()}
    _assert_in_one_part(whole, column)
    if (most := longest(parts["train"])) > LONGEST:
        raise ContractRefused(
            f"a query has {most:,} training rows, LightGBM takes {LONGEST:,} at most",
            where=f"{_WHERE} = {column!r}",
            hint="name a column that cuts the rows into smaller queries, or leave rows out",
        )


def _whole(runs: Sequence[Runs], column: str, part: str) -> Hashes:
    """Return the queries of a part, sorted; each of them is in one run."""
    going_on = [1 if head else 0 for head in heads(runs)]
    starts = [one.hashes[cut:] for one, cut in zip(runs, going_on, strict=True)]
    queries = np.sort(np.concatenate([*starts, np.empty(0, np.uint64)]))
    apart = len(queries) - len(np.unique(queries))
    if apart:
        raise ContractRefused(
            f"rows of a query do not stand together: {apart:,} of {len(queries):,} runs of "
            f"{part} rows are of a query that was there before",
            where=f"{_WHERE} = {column!r}",
            hint=f'sort the data with a section [sort] of a job before: by = ["{column}"]',
        )
    return queries


def _assert_in_one_part(whole: Mapping[str, Hashes], column: str) -> None:
    names = list(whole)
    for place, name in enumerate(names):
        for other in names[:place]:
            both = len(np.intersect1d(whole[name], whole[other], assume_unique=True))
            if both:
                _refuse_parted(both, other, name, column)


def _refuse_parted(both: int, one: str, other: str, column: str) -> NoReturn:
    raise ContractRefused(
        f"{both:,} queries have {one} rows and {other} rows",
        where=f"train.split, train.query = {column!r}",
        hint=f'keep queries whole: split = {{ by = "group", column = "{column}", ... }}',
    )
