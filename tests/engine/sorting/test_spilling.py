"""Ranges of sorted rows come back from disk as they were, and repeated text is held once."""

from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine import memory
from engine.errors import MillraceError
from engine.memory import Shape, ranges
from engine.plan import MIB, Partition
from engine.process import give_back, peak, reset_peak
from engine.sorting import spilling

VALUES = st.lists(st.sampled_from([None, "", "a", "é" * 40, "b" * 13]), max_size=30)


@given(VALUES, st.lists(st.integers(0, 30), max_size=4), st.sampled_from([1, 7, 2**14]))
@settings(max_examples=60, deadline=None)
def test_every_range_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], at: list[int], size: int
) -> None:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String}).with_columns(
        n=pl.int_range(pl.len(), dtype=pl.Int64),
        raw=pl.col("text").cast(pl.Binary),
        day=pl.lit(date(2020, 1, 1)),
        money=pl.lit(Decimal("1.50")),
        ok=pl.col("text") == "a",
    )
    edges = [0, *sorted(min(place, frame.height) for place in at), frame.height]
    path = tmp_path_factory.mktemp("spilled") / "one.arrow"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spilling, "SLICE", size)
        spilling.write(path, frame, edges)
    count = len(edges) - 1
    pieces = [spilling.read(path, i, count) for i in range(count)]
    heights = [high - low for low, high in pairwise(edges)]
    assert [piece.height for piece in pieces] == heights
    assert_frame_equal(pl.concat(pieces), frame, check_exact=True)
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_text_that_repeats_is_not_written_out(tmp_path: Path) -> None:
    """60 MB of text, of which three are different."""
    words = pl.Series([letter * 1_000 for letter in "abc"])
    frame = pl.DataFrame({"text": words.gather(pl.Series([0, 1, 2] * 20_000))})
    path = tmp_path / "one.arrow"
    give_back()
    reset_peak()
    before = peak()
    spilling.write(path, frame, [0, frame.height])
    found = spilling.read(path, 0, 1)
    assert peak() - before < 40 * MIB
    assert path.stat().st_size < MIB
    assert found["text"].n_unique() == 3 and found.height == frame.height


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(MillraceError, match="spilled rows are gone"):
        spilling.read(tmp_path / "gone.arrow", 0, 1)


def test_a_sort_is_planned_with_its_pieces_and_its_largest_range() -> None:
    part = Partition(0, (), 10, 8 * MIB, MIB, MIB)
    few, many = (
        sum(term.bytes for term in memory.sorting(Shape([part] * count, 0, 1, 20)))
        for count in (10, 1_010)
    )
    assert many - few == 1_000 * 20 * ranges.SPILL_CELL
    terms = {term.name: term.bytes for term in memory.sorting(Shape([part] * 10, 0, 1, 20))}
    held = terms["partition, decoded and checked"] + terms["row groups fetched"]
    held += terms["sorted copy"] + terms["range merged"]
    assert held >= ranges.MERGED * ranges.RANGE * part.bytes
