"""Merged statistics are those of the whole."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.statistics import levels as levels_module
from engine.statistics.levels import Levels
from engine.statistics.moments import Moments
from engine.statistics.quantiles import Quantiles
from engine.statistics.summary import Summary

values = st.lists(
    st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf])),
    max_size=200,
)


def _series(numbers: list[float | None]) -> pl.Series:
    return pl.Series(numbers, dtype=pl.Float64)


@given(numbers=values, cut=st.integers(0, 200))
def test_moments_of_parts_are_those_of_the_whole(numbers: list[float | None], cut: int) -> None:
    whole = Moments.of(_series(numbers))
    merged = Moments.of(_series(numbers[:cut])).merge(Moments.of(_series(numbers[cut:])))
    assert (merged.count, merged.missing) == (whole.count, whole.missing)
    assert (merged.min, merged.max) == (whole.min, whole.max)
    assert merged.mean == pytest.approx(whole.mean, rel=1e-12, abs=1e-6)
    assert merged.std == pytest.approx(whole.std, rel=1e-9, abs=1e-6)


def test_moments_do_not_cancel() -> None:
    # With sums of squares the deviation of 1e9 + {0, 1} comes out as 0 or not a number.
    numbers = [1e9, 1e9 + 1] * 500
    merged = Moments()
    for i in range(0, 1000, 10):
        merged = merged.merge(Moments.of(_series(numbers[i : i + 10])))
    assert merged.std == pytest.approx(0.5, rel=1e-6)


def test_moments_agree_with_numpy_on_booleans_and_integers() -> None:
    for series in (pl.Series([True, False, None]), pl.Series([1, 2, 40], dtype=pl.Int8)):
        known = series.drop_nulls().cast(pl.Float64).to_numpy()
        found = Moments.of(series)
        assert found.mean == known.mean()
        assert found.std == pytest.approx(known.std())


@given(numbers=values, cut=st.integers(0, 200))
def test_levels_of_parts_are_those_of_the_whole(numbers: list[float | None], cut: int) -> None:
    text = pl.Series([None if n is None else f"v{n:.0f}" for n in numbers], dtype=pl.String)
    merged = Levels.of(text[:cut]).merge(Levels.of(text[cut:]))
    assert merged.counts == Levels.of(text).counts


def test_too_many_levels_overflow_and_stay_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels_module, "MOST_LEVELS", 3)
    many, few = Levels.of(pl.Series(list("abcd"))), Levels.of(pl.Series(list("ab")))
    assert many.overflow
    assert few.merge(Levels.of(pl.Series(list("cd")))).overflow
    assert few.merge(many).merge(few).overflow


def test_quantiles_are_close_and_the_same_bits_every_time() -> None:
    numbers = np.random.default_rng(3).lognormal(size=200_000)

    def merged() -> Quantiles:
        total = Quantiles()
        for part in np.split(numbers, 40):
            total = total.merge(Quantiles.of(pl.Series(part)))
        return total

    one, two = merged(), merged()
    assert one.state == two.state
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        assert (numbers < one.at(share)).mean() == pytest.approx(share, abs=0.002)


def test_quantiles_of_few_values_are_values_and_of_none_are_nan() -> None:
    assert Quantiles.of(pl.Series([5.0, 1.0, 3.0, None, math.nan])).at(0.5) == 3.0
    assert math.isnan(Quantiles.of(pl.Series([None, math.nan], dtype=pl.Float64)).at(0.5))
    empty = Quantiles().merge(Quantiles.of(pl.Series([2.0])))
    assert empty.at(0.5) == 2.0


def test_a_summary_holds_what_was_asked_for_and_merges() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0], "c": ["a", "b"]})
    request = frozenset({("x", "moments"), ("x", "quantiles"), ("c", "levels")})
    found = Summary.of(frame, request).merge(Summary.of(frame, request))
    assert found.moments("x").count == 4
    assert found.levels("c").counts == {"a": 2, "b": 2}
    assert found.quantiles("x").at(0.5) == pytest.approx(1.5, abs=0.5)
