"""A split depends on the row and the seed, and on nothing else."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.split import TEST, TRAIN, VALID, Split, uniform

ROWS = pl.Series(range(20_000), dtype=pl.Int64)
FRAME = pl.DataFrame({"x": ROWS})


@given(cut=st.integers(0, 20_000), seed=st.integers(0, 2**31))
def test_any_cut_of_the_rows_gives_the_same_parts(cut: int, seed: int) -> None:
    split = Split("random", valid=0.1, test=0.2, seed=seed)
    whole = split.assign(FRAME, ROWS)
    pieces = [split.assign(FRAME[a:b], ROWS[a:b]) for a, b in ((0, cut), (cut, 20_000))]
    assert np.array_equal(whole, np.concatenate(pieces))


@given(
    cut=st.integers(0, 20_000),
    test=st.sampled_from([0.0, 0.2, 0.4, 0.125]),
    valid=st.sampled_from([0.1, 0.25, 1 / 3]),
)
def test_a_systematic_split_is_exact_however_rows_are_cut(
    cut: int, test: float, valid: float
) -> None:
    split = Split("systematic", valid=valid, test=test)
    whole = split.assign(FRAME, ROWS)
    pieces = [split.assign(FRAME[a:b], ROWS[a:b]) for a, b in ((0, cut), (cut, 20_000))]
    assert np.array_equal(whole, np.concatenate(pieces))
    period = 120  # of all these shares
    for rows in (whole[:period], whole[7 * period : 8 * period]):
        assert (rows == TEST).sum() == round(test * period)
        assert (rows == VALID).sum() == round(valid * period)


@pytest.mark.parametrize("valid", [0.0, 0.1, 0.2, 0.5])
def test_every_fifth_row_tests_whatever_validates(valid: float) -> None:
    parts = Split("systematic", valid=valid, test=0.2).assign(FRAME, ROWS)
    assert np.array_equal(parts == TEST, np.arange(20_000) % 5 == 0)


def test_systematic_validation_rows_lie_evenly_among_the_others() -> None:
    parts = Split("systematic", valid=0.4, test=0.2).assign(FRAME, ROWS)
    assert parts[:5].tolist() == [TEST, VALID, TRAIN, VALID, TRAIN]


def test_a_systematic_split_refuses_a_share_that_no_rows_make() -> None:
    with pytest.raises(ValueError, match="whole rows"):
        Split("systematic", test=0.12345).assign(FRAME, ROWS)


def test_shares_are_met() -> None:
    parts = Split("random", valid=0.1, test=0.2).assign(FRAME, ROWS)
    assert abs((parts == VALID).mean() - 0.1) < 0.01
    assert abs((parts == TEST).mean() - 0.2) < 0.01


def test_uniform_numbers_fill_the_unit_interval() -> None:
    drawn = uniform(np.arange(100_000, dtype=np.uint64), 7)
    counts, _ = np.histogram(drawn, 20, (0, 1))
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert abs(counts - 5000).max() < 350  # five standard deviations


def test_another_seed_draws_other_rows() -> None:
    one, two = (Split("random", valid=0.5, seed=s).assign(FRAME, ROWS) for s in (1, 2))
    assert 0.4 < (one == two).mean() < 0.6


def test_a_hash_split_keeps_equal_values_together() -> None:
    frame = pl.DataFrame({"group": [f"g{i % 50}" for i in range(20_000)]})
    parts = Split("hash", valid=0.3, columns=("group",)).assign(frame, ROWS)
    sizes = frame.with_columns(part=parts).group_by("group").agg(pl.col("part").n_unique())
    assert sizes["part"].max() == 1
    assert 0.1 < (parts == VALID).mean() < 0.5


def test_a_time_split_cuts_at_its_times_and_keeps_missing_times_for_training() -> None:
    frame = pl.DataFrame({"t": [1, 5, 9, None]}, schema={"t": pl.Datetime("us")})
    parts = Split("time", columns=("t",), cuts=(5.0, 9.0)).assign(frame, ROWS[:4])
    assert parts.tolist() == [TRAIN, VALID, TEST, TRAIN]


def test_a_column_split_takes_listed_values_and_draws_the_rest() -> None:
    frame = pl.DataFrame({"month": [1 + i % 2 for i in range(20_000)]})
    parts = Split("column", valid=0.1, test=(2,), columns=("month",)).assign(frame, ROWS)
    assert set(parts[1::2]) == {TEST}
    assert set(parts[::2]) == {TRAIN, VALID}
    assert abs((parts[::2] == VALID).mean() - 0.1) < 0.01


def test_a_column_split_compares_text() -> None:
    frame = pl.DataFrame({"fold": ["a", "b", None]})
    parts = Split("column", test=("b",), columns=("fold",)).assign(frame, ROWS[:3])
    assert parts.tolist() == [TRAIN, TEST, TRAIN]


def test_a_hash_split_is_the_same_on_every_machine_and_version() -> None:
    frame = pl.DataFrame({"k": ["a", "b", "", None, "ü"], "n": [1, 2, 3, None, 5]})
    parts = Split("hash", valid=0.3, test=0.3, columns=("k", "n")).assign(frame, ROWS[:5])
    assert parts.tolist() == [0, 1, 2, 2, 0]  # pinned


def test_a_stratified_split_cuts_each_value_by_itself() -> None:
    frame = pl.DataFrame({"y": ["a", "a", "b", None, "new"]})
    strata = {"a": (1.0, 1.0), "b": (0.0, 1.0), None: (0.0, 0.0)}
    split = Split("stratified", 0.5, 0.5, ("y",), strata=strata)
    assert split.assign(frame, ROWS[:5]).tolist() == [TEST, TEST, VALID, TRAIN, TRAIN]
    with pytest.raises(ValueError, match="strata"):
        Split("stratified", 0.5, 0.5, ("y",)).assign(frame, ROWS[:5])
