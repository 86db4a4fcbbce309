"""Which rank trains on which rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.boosting.source import Portion, ShardPart
from engine.errors import ContractRefused

Shard = tuple[Portion, ...]


def shards(parts: Sequence[ShardPart], workers: int) -> list[Shard]:
    """Cut the parts into runs of about equal rows, one for each rank.

    Runs are contiguous and depend on the parts and ``workers`` alone. Rows that go on with a query
    belong to the rank that has its first row. Every rank has training rows; with fewer partitions
    that have some than workers, there are fewer ranks.

    Args:
        parts: All partitions; those without rows are left out.
        workers: Ranks at most.

    Returns:
        One shard for each rank.

    Raises:
        ContractRefused: There are no training rows.
    """
    filled = [part for part in parts if part.train or part.valid]
    trainable = sum(part.train > part.train_head for part in filled)
    if not trainable:
        raise ContractRefused(
            "there are no training rows",
            where="train",
            hint="look at the rows that were filtered, rejected or have no label",
        )
    count = min(max(1, workers), trainable)
    cuts = [0]
    for rank in range(1, count):
        cuts.append(_cut(filled, cuts[-1], rank, count))
    runs = [filled[low:high] for low, high in zip(cuts, [*cuts[1:], None], strict=True)]
    owned: list[list[Portion]] = [[] for _ in runs]
    for rank, portion in _portions(runs):
        owned[rank].append(portion)
    return [tuple(portions) for portions in owned]


def redealt(before: Sequence[Shard], kept: Sequence[int | None]) -> list[Shard]:
    """Deal the rows of lost ranks to those that are left, which keep their own: those are binned.

    Args:
        before: The shards of the ranks that there were.
        kept: For each rank that there is now, the one whose shard it keeps; None = it is new.

    Returns:
        One shard for each rank that there is now; ranks that would have no training rows are left
        out, from the end.
    """
    owned = [list(before[rank]) if rank is not None else [] for rank in kept]
    lost = [shard for rank, shard in enumerate(before) if rank not in kept]
    for group in (group for shard in lost for group in _groups(shard)):
        part = group[0].part
        least = min(range(len(owned)), key=lambda rank: _held(owned[rank], part))
        owned[least] += group
    return [tuple(shard) for shard in owned if _held(shard, "train")]


def _groups(shard: Shard) -> Iterator[list[Portion]]:
    """Yield portions that must stay together, because a query goes on from one to the next."""
    for part in ("train", "valid"):
        group: list[Portion] = []
        for portion in (portion for portion in shard if portion.part == part):
            if group and portion.start == portion.head:
                yield group
                group = []
            group.append(portion)
        if group:
            yield group


def _held(shard: Sequence[Portion], part: str) -> int:
    return sum(portion.stop - portion.start for portion in shard if portion.part == part)


def _portions(runs: Sequence[Sequence[ShardPart]]) -> Iterator[tuple[int, Portion]]:
    """Yield the rows of each part of each partition with the rank that they belong to."""
    owner = {"train": 0, "valid": 0}
    for rank, run in enumerate(runs):
        for entry in run:
            for part, rows, head in (
                ("train", entry.train, entry.train_head),
                ("valid", entry.valid, entry.valid_head),
            ):
                before = owner[part]
                if rows > head:
                    owner[part] = rank
                cuts = [(before, 0, head), (rank, head, rows)] if before != rank else []
                for who, start, stop in cuts or [(rank, 0, rows)]:
                    if stop > start:
                        yield who, Portion(entry.partition, part, rows, head, start, stop)


def _cut(filled: list[ShardPart], start: int, rank: int, count: int) -> int:
    """Return where the shard of ``rank`` begins: nearest to its share, training rows on each side.

    Args:
        filled: All parts with rows.
        start: Where the shard before it begins.
        rank: Number of this shard, from 1.
        count: Number of shards.
    """
    share = sum(map(_rows, filled)) * rank / count
    before, behind = 0, sum(map(_trains, filled[start:]))
    done, best, distance = sum(map(_rows, filled[:start])), start, float("inf")
    for place in range(start, len(filled)):
        if before and behind >= count - rank and abs(done - share) < distance:
            best, distance = place, abs(done - share)
        done += _rows(filled[place])
        before += _trains(filled[place])
        behind -= _trains(filled[place])
    return best


def _rows(part: ShardPart) -> int:
    return part.train + part.valid


def _trains(part: ShardPart) -> bool:
    return part.train > part.train_head
