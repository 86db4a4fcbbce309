"""Queries are found whole over any cut of the rows, and cut ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ContractRefused
from engine.queries import LONGEST, Runs, assert_whole, heads, longest


def _ids(sizes: list[int], start: int = 0) -> np.ndarray:
    return np.repeat(np.arange(start, start + len(sizes), dtype=np.uint64), sizes)


def _cut(query: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(query, sorted(min(cut, len(query)) for cut in cuts))


sizes = st.lists(st.integers(1, 6), max_size=12)
cuts = st.lists(st.integers(0, 60), max_size=8)


@given(sizes=sizes, cuts=cuts)
def test_heads_make_every_query_whole(sizes: list[int], cuts: list[int]) -> None:
    pieces = _cut(_ids(sizes), cuts)
    runs = [Runs.of(piece) for piece in pieces]
    assert_whole({"train": runs, "valid": [], "test": []}, "q")
    # Give each head to the last partition that has a row of its own, as the ranks do.
    owned: list[list[int]] = []
    for piece, head in zip(pieces, heads(runs), strict=True):
        assert head <= len(piece)
        if head:
            owned[-1] += piece[:head].tolist()
        if len(piece) > head:
            owned.append(piece[head:].tolist())
    assert [one for piece in owned for one in piece] == _ids(sizes).tolist()
    for place, piece in enumerate(owned):
        others = {one for other in owned[place + 1 :] for one in other}
        assert not others & set(piece)
    assert longest(runs) == max(sizes, default=0)


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=8), cuts=cuts, data=st.data())
def test_a_query_that_comes_again_is_refused(
    sizes: list[int], cuts: list[int], data: st.DataObject
) -> None:
    again = data.draw(st.integers(0, len(sizes) - 2))
    query = np.concatenate([_ids(sizes), np.full(2, again, np.uint64)])
    runs = [Runs.of(piece) for piece in _cut(query, cuts)]
    with pytest.raises(ContractRefused, match="1 of") as caught:
        assert_whole({"train": runs, "valid": [], "test": []}, "q")
    assert "[sort]" in str(caught.value)


def test_a_query_in_two_parts_is_refused() -> None:
    parts = {"train": [Runs.of(_ids([2, 2]))], "valid": [], "test": [Runs.of(_ids([3], 1))]}
    with pytest.raises(ContractRefused, match="1 queries have train rows and test rows") as caught:
        assert_whole(parts, "session")
    assert 'by = "group", column = "session"' in str(caught.value)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_a_training_query_has_a_longest_length(more: int, refused: bool) -> None:
    query = _ids([5, LONGEST + more, 5])
    runs = [Runs.of(piece) for piece in np.split(query, [100, 6_000])]
    assert longest(runs) == LONGEST + more
    assert_whole({"train": [], "valid": runs, "test": []}, "q")
    if refused:
        with pytest.raises(ContractRefused, match="10,001 training rows"):
            assert_whole({"train": runs, "valid": [], "test": []}, "q")
    else:
        assert_whole({"train": runs, "valid": [], "test": []}, "q")


def test_runs_count_their_rows() -> None:
    runs = Runs.of(np.array([4, 4, 1, 9, 9, 9], np.uint64))
    assert runs.hashes.tolist() == [4, 1, 9] and runs.hashes.dtype == np.uint64
    assert (runs.first, runs.last, runs.longest) == (2, 3, 3)
    assert Runs.of(np.empty(0, np.uint64)).first == 0
