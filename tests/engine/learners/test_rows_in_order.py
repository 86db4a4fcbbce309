"""Which rows are learned from, in which batches and samples: whatever the partitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.learners.sampled import draw as draws
from engine.learners.sampled.draw import Draw
from engine.learners.streamed import order
from engine.learners.streamed.order import Span, places, spans
from tests.engine.learners.numbered_rows import cut, numbers_of

TOTAL = 1_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "SPAN", 4)
    monkeypatch.setattr(draws, "_CHUNK", 100)


def batches(found: list[Span]) -> list[list[int]]:
    """Return the row numbers of each batch."""
    taken: list[list[int]] = []
    for span in found:
        rows = [
            int(row)
            for piece in span.pieces
            for row in numbers_of(piece.part.partition, "train")[piece.start : piece.stop]
        ]
        assert len(rows) == sum(span.sizes)
        for size in span.sizes:
            taken.append(rows[:size])
            rows = rows[size:]
    return taken


cuts = st.lists(st.integers(1, TOTAL - 1), max_size=12)


@given(cuts, st.booleans(), st.integers(0, 5))
def test_an_epoch_has_every_training_row_once(ends: list[int], shuffled: bool, epoch: int) -> None:
    found = spans(cut(TOTAL, ends), epoch, 7, shuffled, 64)
    taken = batches(found)
    assert sorted(row for batch in taken for row in batch) == [
        row for row in range(TOTAL) if row % 6
    ]
    assert all(64 <= len(batch) < 128 for batch in taken)
    assert [span.first for span in found] == [0, 4, 8, 12][: len(found)]


@given(cuts)
def test_batches_in_the_order_of_the_data_do_not_depend_on_partitions(ends: list[int]) -> None:
    one, other = (batches(spans(cut(TOTAL, one), 0, 7, False, 64)) for one in (ends, [TOTAL]))
    assert one == other


def test_partitions_and_rows_change_places_from_epoch_to_epoch() -> None:
    parts = cut(TOTAL, list(range(100, TOTAL, 100)))
    first, again, second = (spans(parts, epoch, 7, True, 64) for epoch in (0, 0, 1))
    assert first == again
    assert batches(first) != batches(second) != batches(spans(parts, 1, 8, True, 64))
    one, two = places(50, first[0], 0, 7), places(50, second[0], 0, 7)
    assert sorted(one) == list(range(50))
    assert list(one) != list(two) and list(one) != list(places(50, first[0], 1, 7))


def test_few_rows_are_one_batch() -> None:
    assert [span.sizes for span in spans(cut(30, [7]), 0, 1, False, 64)] == [(25,)]


@given(st.integers(1, 700), st.integers(1, 800), st.integers(0, 100), cuts)
def test_a_sample_has_exactly_the_rows_with_the_smallest_numbers(
    rows: int, wanted: int, seed: int, ends: list[int]
) -> None:
    draw = Draw.of(rows, wanted, seed)
    whole = draw.chosen(0, rows)
    assert whole.sum() == min(rows, wanted)
    drawn = draws.uniform(np.arange(rows, dtype=np.uint64), seed + draws._SAMPLE_SEED)
    assert drawn[whole].max() <= drawn[~whole].min(initial=1.0)
    edges = [0, *sorted({end for end in ends if end < rows}), rows]
    pieces = [draw.chosen(low, high - low) for low, high in pairwise(edges)]
    assert (np.concatenate(pieces) == whole).all()


def test_rows_that_draw_the_same_number_are_taken_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(draws, "uniform", lambda numbers, _: (numbers % 2).astype(float))
    draw = Draw.of(500, 10, 1)
    assert list(np.flatnonzero(draw.chosen(0, 500))) == list(range(0, 20, 2))
    draw = Draw.of(500, 252, 1)
    assert draw.chosen(0, 500).sum() == 252


def test_wide_rows_come_in_smaller_batches() -> None:
    assert [order.batch_rows(n) for n in (1, 128, 1024, 100_000)] == [8192, 8192, 1024, 512]
