"""Which rank reads which partitions."""

from __future__ import annotations

from collections.abc import Sequence

from engine.boosting.source import ShardPart
from engine.errors import ContractRefused

Shard = tuple[ShardPart, ...]


def shards(parts: Sequence[ShardPart], workers: int) -> list[Shard]:
    """Cut the parts into runs of about equal rows, one for each rank.

    Runs are contiguous and depend on the parts and ``workers`` alone. Every rank has training
    rows; with fewer partitions that have some than workers, there are fewer ranks.

    Args:
        parts: All partitions; those without rows are left out.
        workers: Ranks at most.

    Returns:
        One shard for each rank.

    Raises:
        ContractRefused: There are no training rows.
    """
    filled = [part for part in parts if part.train or part.valid]
    trainable = sum(part.train > 0 for part in filled)
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
    return [tuple(filled[low:high]) for low, high in zip(cuts, [*cuts[1:], None], strict=True)]


def _cut(filled: list[ShardPart], start: int, rank: int, count: int) -> int:
    """Return where the shard of ``rank`` begins: nearest to its share, training rows on each side.

    Args:
        filled: All parts with rows.
        start: Where the shard before it begins.
        rank: Number of this shard, from 1.
        count: Number of shards.
    """
    share = sum(map(_rows, filled)) * rank / count
    before, behind = 0, sum(part.train > 0 for part in filled[start:])
    done, best, distance = sum(map(_rows, filled[:start])), start, float("inf")
    for place in range(start, len(filled)):
        if before and behind >= count - rank and abs(done - share) < distance:
            best, distance = place, abs(done - share)
        done += _rows(filled[place])
        before += filled[place].train > 0
        behind -= filled[place].train > 0
    return best


def _rows(part: ShardPart) -> int:
    return part.train + part.valid
