"""Which rank trains on which rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boosting.gang.shards import redealt, shards
from engine.boosting.source import Portion, ShardPart
from engine.errors import ContractRefused
from engine.plan import Partition

counts = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 300)), min_size=1, max_size=40)


def _parts(rows: list[tuple[int, int]]) -> list[ShardPart]:
    return [ShardPart(Partition(i, (), a + b, 0, 0, 0), a, b) for i, (a, b) in enumerate(rows)]


def _rows(shard: tuple[Portion, ...], part: str) -> list[tuple[int, int]]:
    return [
        (portion.partition.index, row)
        for portion in shard
        if portion.part == part
        for row in range(portion.start, portion.stop)
    ]


@given(counts, st.integers(1, 8))
def test_shards_are_runs_of_all_rows_and_each_can_train(
    rows: list[tuple[int, int]], workers: int
) -> None:
    parts = _parts(rows)
    trainable = sum(part.train > 0 for part in parts)
    if not trainable:
        with pytest.raises(ContractRefused, match="no training rows"):
            shards(parts, workers)
        return
    cut = shards(parts, workers)
    for part, place in (("train", 0), ("valid", 1)):
        every = [(i, row) for i, counted in enumerate(rows) for row in range(counted[place])]
        assert [row for shard in cut for row in _rows(shard, part)] == every
    assert all(_rows(shard, "train") for shard in cut)
    assert len(cut) == min(workers, trainable)


def test_shards_are_balanced_by_rows() -> None:
    cut = shards(_parts([(100, 0)] * 5 + [(10, 0)] * 50), 2)
    assert [len(_rows(shard, "train")) for shard in cut] == [500, 500]


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40), st.integers(1, 12), st.integers(1, 5))
def test_a_query_belongs_to_the_rank_that_has_its_first_row(
    sizes: list[int], cut: int, workers: int
) -> None:
    queries = np.repeat(np.arange(len(sizes)), sizes)
    parts = []
    for i, start in enumerate(range(0, len(queries), cut)):
        own = queries[start : start + cut]
        head = int((own == queries[start - 1]).sum()) if start else 0
        parts.append(ShardPart(Partition(i, (), len(own), 0, 0, 0), len(own), 0, head))
    found = shards(parts, workers)
    rows = [[queries[i * cut + row] for i, row in _rows(shard, "train")] for shard in found]
    assert [query for run in rows for query in run] == queries.tolist()
    for one, two in pairwise(rows):
        assert one and two and one[-1] != two[0]


@given(counts, st.integers(2, 6), st.data())
def test_what_lost_ranks_had_is_dealt_and_the_others_keep_theirs(
    rows: list[tuple[int, int]], workers: int, data: st.DataObject
) -> None:
    if sum(train > 0 for train, _ in rows) < workers:
        return
    before = shards(_parts(rows), workers)
    left = data.draw(st.sets(st.integers(0, workers - 1), min_size=1, max_size=workers))
    kept = sorted(left)
    after = redealt(before, kept)
    assert len(after) == len(kept)
    for now, rank in zip(after, kept, strict=True):
        assert now[: len(before[rank])] == before[rank]
    for part in ("train", "valid"):
        whole = sorted(row for shard in before for row in _rows(shard, part))
        assert sorted(row for shard in after for row in _rows(shard, part)) == whole
