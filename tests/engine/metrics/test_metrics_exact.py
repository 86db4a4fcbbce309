"""Exact sums against the standard library's exact sum and exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import MillraceError
from engine.metrics.exact import ExactSum, sum_of_squares

FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
MODERATE = st.floats(min_value=-1e60, max_value=1e60).filter(lambda x: x == 0 or abs(x) > 1e-60)


@settings(deadline=None)
@given(st.lists(FINITE, max_size=40))
def test_sum_is_the_correctly_rounded_one(values: list[float]) -> None:
    assert float(ExactSum.of(np.array(values))) == math.fsum(values)


@settings(deadline=None)
@given(st.lists(FINITE, max_size=40), st.randoms(use_true_random=False), st.integers(0, 40))
def test_order_and_split_do_not_matter(values: list[float], random: object, cut: int) -> None:
    whole = ExactSum.of(np.array(values))
    shuffled = values.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ExactSum.of(np.array(shuffled[cut:])) + ExactSum.of(np.array(shuffled[:cut])) == whole


@settings(deadline=None)
@given(st.lists(MODERATE, max_size=20))
def test_squares_are_exact(values: list[float]) -> None:
    assert sum_of_squares(np.array(values)).fraction == sum(Fraction(v) ** 2 for v in values)


def test_many_blocks_of_many_rows() -> None:
    values = np.random.default_rng(1).normal(size=200_000) * 1e8
    assert float(ExactSum.of(values)) == math.fsum(values)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_refuses_what_is_not_finite(bad: float) -> None:
    with pytest.raises(MillraceError, match="2 values"):
        ExactSum.of(np.array([1.0, bad, 2.0, bad]))
