"""Partitions cover every row once, whatever the row groups and the target size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PlanRefused
from engine.plan import (
    MIB,
    TARGET_BYTES,
    Partition,
    Plan,
    RowGroup,
    StepPlan,
    Term,
    partitions,
    target_bytes,
)


def _groups(sizes: list[list[tuple[int, int]]]) -> list[RowGroup]:
    groups, first = [], 0
    for file, chunks in enumerate(sizes):
        start = 0
        for rows, width in chunks:
            groups.append(RowGroup(file, start, rows, first, rows * width, rows * width // 2))
            start += rows
            first += rows
    return groups


def _covered(parts: list[Partition]) -> list[int]:
    return [
        row
        for part in parts
        for piece in part.slices
        for row in range(piece.first, piece.first + piece.rows)
    ]


chunks = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=5)


@given(sizes=st.lists(chunks, max_size=5), target=st.integers(1, 3000))
def test_every_row_is_in_exactly_one_partition(
    sizes: list[list[tuple[int, int]]], target: int
) -> None:
    groups = _groups(sizes)
    parts = partitions(groups, target)
    assert _covered(parts) == list(range(sum(group.rows for group in groups)))
    assert [part.index for part in parts] == list(range(len(parts)))
    assert all(part.rows == sum(piece.rows for piece in part.slices) for part in parts)


@given(sizes=st.lists(chunks, max_size=5), target=st.integers(200, 3000))
def test_a_partition_is_over_the_target_only_when_a_single_row_is(
    sizes: list[list[tuple[int, int]]], target: int
) -> None:
    # Pieces of a cut group are equal up to one row, of at most 40 bytes here.
    assert all(part.bytes <= target + 40 for part in partitions(_groups(sizes), target))


def test_rows_within_a_file_and_in_the_data_set_are_told_apart() -> None:
    parts = partitions(_groups([[(10, 1)], [(4, 1), (6, 1)]]), 100)
    assert [(s.file, s.start, s.rows, s.first) for s in parts[0].slices] == [
        (0, 0, 10, 0),
        (1, 0, 10, 10),
    ]


def test_a_giant_row_group_is_cut_and_counts_what_must_be_fetched() -> None:
    parts = partitions([RowGroup(0, 0, 1000, 0, 8000, 4000)], 1000)
    assert [part.rows for part in parts] == [125] * 8
    assert {part.touched for part in parts} == {4000}


def test_byte_ranges_are_never_cut() -> None:
    parts = partitions([RowGroup(0, 0, 1000, 0, 8000, 4000, (20, 4020))], 1000)
    assert [part.slices[0].span for part in parts] == [(20, 4020)]


def test_a_plan_over_the_limit_is_refused_with_numbers_and_a_way_out() -> None:
    terms = (Term("worker process", 200 * MIB), Term("bins of this worker's rows", 900 * MIB))
    plan = Plan((StepPlan("train", ("load",), 1, 1, 1, terms),), workers=2, limit=512 * MIB)
    with pytest.raises(PlanRefused) as caught:
        plan.check()
    assert caught.value.exit_code == 2
    assert "1,100 MiB" in caught.value.what
    assert "512 MiB" in caught.value.what
    assert 'cluster.memory = "1100 MiB"' in str(caught.value.hint)
    assert "6 workers" in str(caught.value.hint)  # 900 MiB x 2 over 312 MiB of room each


def test_a_plan_within_the_limit_passes() -> None:
    Plan((StepPlan("train", (), 1, 1, 1, (Term("a", MIB),)),), 1, MIB).check()


def test_partitions_are_as_fine_as_many_cores_want_and_no_column_gets_too_little() -> None:
    assert target_bytes(0, 28) == 16 * MIB
    assert target_bytes(32 * 40 * MIB, 28) == 40 * MIB
    assert target_bytes(10**13, 28) == TARGET_BYTES
    assert target_bytes(0, 2_000) == 2_000 * 16 * 2**10
    assert target_bytes(0, 10_000) == TARGET_BYTES
