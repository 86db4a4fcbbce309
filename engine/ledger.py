"""The row ledger: rows = good + quarantined + filtered + unreadable, file by file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from engine.contract import COLUMN, RULE
from engine.data.position import by_slice
from engine.data.source import Batch
from engine.errors import ContractRefused, MillraceError
from engine.plan import Partition
from engine.reserved import ROW

_TOP = 3

MOST_TOLD = 10
"""Files that are listed for a person; the manifest has all."""


class Counts(NamedTuple):
    """Rows of one file, or of all: each row read is in exactly one of the other three."""

    rows: int = 0
    good: int = 0
    quarantined: int = 0
    filtered: int = 0

    def plus(self, other: Counts) -> Counts:
        """Return the counts of both."""
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def lost(self) -> int:
        """Rows read that are in none of the three places; 0 when the ledger balances."""
        return self.rows - self.good - self.quarantined - self.filtered


@dataclass(frozen=True)
class Ledger:
    """Where the rows of a data set went.

    Attributes:
        files: Counts by path.
        reasons: Quarantined rows by the first rule that each one breaks.
        unread: Rows that could not be read, by path; they are not in ``files``.
    """

    files: Mapping[str, Counts] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Sequence[str], partition: Partition, batch: Batch) -> Ledger:
        """Return the ledger of one partition as it was read.

        Args:
            paths: Path of each file of the data set's listing.
            partition: What was to be read.
            batch: What was read.

        Raises:
            MillraceError: Good, quarantined and filtered rows are not those of the partition.
        """
        rows: Counter[str] = Counter()
        for part in partition.slices:
            rows[paths[part.file]] += part.rows
        good = _by_file(paths, partition, batch.good[ROW])
        bad = _by_file(paths, partition, batch.rejected[ROW])
        left = {path: count - good[path] - bad[path] for path, count in rows.items()}
        if sum(left.values()) != batch.filtered or min(left.values(), default=0) < 0:
            counts = Counts(rows.total(), good.total(), bad.total(), batch.filtered)
            raise MillraceError(_imbalance(counts), where=f"partition {partition.index}")
        files = {path: Counts(rows[path], good[path], bad[path], left[path]) for path in rows}
        return cls(files, reasons(batch.rejected))

    def merge(self, other: Ledger) -> Ledger:
        """Return the ledger of both sets of rows."""
        files = dict(self.files)
        for path, counts in other.files.items():
            files[path] = files.get(path, Counts()).plus(counts)
        reasons = Counter(self.reasons) + Counter(other.reasons)
        return Ledger(files, dict(reasons), dict(Counter(self.unread) + Counter(other.unread)))

    @property
    def total(self) -> Counts:
        """Counts of all files."""
        return Counts(*(sum(column) for column in zip(*self.files.values(), strict=True)))

    def check(self, planned: Mapping[str, int]) -> None:
        """Make sure that every row of every file went to one place.

        Args:
            planned: Rows of each file, as its metadata state them.

        Raises:
            MillraceError: A file's rows do not balance, or were not all seen.
        """
        for path in {**planned, **self.files, **self.unread}:
            counts = self.files.get(path, Counts())
            if counts.lost:
                raise MillraceError(_imbalance(counts), where=path)
            if counts.rows + self.unread.get(path, 0) != planned.get(path, 0):
                raise MillraceError(
                    f"{counts.rows:,} of this file's {planned.get(path, 0):,} rows were read.",
                    where=path,
                    hint="run again; report this if it stays",
                )
        if sum(self.reasons.values()) != self.total.quarantined:
            raise MillraceError("The reasons do not add up to the quarantined rows.")

    def refuse_over(self, max_bad: float, where: str) -> None:
        """Stop when too many rows broke the contract, failed with their part or were unreadable.

        Args:
            max_bad: Largest share of quarantined and unreadable rows that is allowed.
            where: The key in the job file.

        Raises:
            ContractRefused: The share is over it; the message has the most frequent reasons.
        """
        total = self.total
        unread = sum(self.unread.values())
        bad, rows = total.quarantined + unread, total.rows + unread
        share = bad / rows if rows else 0.0
        if share <= max_bad:
            return
        reasons = Counter(self.reasons) + Counter({"could not be read": unread})
        told = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.most_common(_TOP))
        how = "break the contract or could not be read" if unread else "break the contract"
        raise ContractRefused(
            f"{bad:,} of {rows:,} rows ({share:.2%}) {how}, "
            f"{max_bad:.2%} are allowed; most often: {told}",
            where=where,
            hint="mend the data or the contract, or raise the limit; see the quarantine folder",
        )

    def told(self) -> dict[str, Any]:
        """Return the counts for a person: in total, and of files whose rows are not all good.

        Returns:
            ``rows``, ``good``, ``quarantined``, ``filtered``, ``reasons``, and ``files``: the
            counts of at most `MOST_TOLD` files by path, those with most such rows first. Where
            rows could not be read, ``unread`` counts them.
        """
        lacking = {path: self._lacking(path) for path in {**self.files, **self.unread}}
        odd = [path for path, rows in lacking.items() if rows]
        worst = sorted(odd, key=lambda path: -lacking[path])[:MOST_TOLD]
        files = {
            path: _told(self.files.get(path, Counts()), self.unread.get(path, 0)) for path in worst
        }
        more = {"more_files": len(odd) - len(worst)} if len(odd) > len(worst) else {}
        total = _told(self.total, sum(self.unread.values()))
        return {**total, "reasons": dict(self.reasons), "files": files, **more}

    def _lacking(self, path: str) -> int:
        """Return how many rows of a file are not good."""
        counts = self.files.get(path, Counts())
        return counts.rows - counts.good + self.unread.get(path, 0)


def reasons(rejected: pl.DataFrame) -> dict[str, int]:
    """Count rejected rows by the first rule that each breaks (``wind: max 150``)."""
    kind = pl.concat_str(COLUMN, RULE, separator=": ", ignore_nulls=True).alias("kind")
    table = rejected.select(kind).to_series().value_counts(sort=True)
    return dict(zip(table["kind"], table["count"], strict=True))


def _by_file(paths: Sequence[str], partition: Partition, rows: pl.Series) -> Counter[str]:
    counts: Counter[str] = Counter()
    for part, count in zip(partition.slices, by_slice(partition, rows).tolist(), strict=True):
        counts[paths[part.file]] += count
    return counts


def _told(counts: Counts, unread: int) -> dict[str, int]:
    return {**counts._asdict(), **({"unread": unread} if unread else {})}


def _imbalance(counts: Counts) -> str:
    return (
        f"{counts.rows:,} rows were read, but {counts.good:,} good + {counts.quarantined:,} "
        f"quarantined + {counts.filtered:,} filtered rows came out."
    )
