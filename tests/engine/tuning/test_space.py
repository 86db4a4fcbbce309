from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.tuning.sampler import distributions
from engine.tuning.space import Choice, Range, drawn, grid, grid_size

SHARES = st.floats(0, 1, exclude_max=True)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    log = draw(st.booleans())
    least = 1 if log else -1000
    if draw(st.booleans()):
        low, high = sorted(draw(st.lists(st.integers(least, 5000), min_size=2, max_size=2)))
        step = None if log else draw(st.none() | st.integers(1, high - low + 1))
        return Range(low, high + 1, log, step)
    least = 1e-6 if log else -1000.0
    low, high = sorted(draw(st.lists(st.floats(least, 1e4), min_size=2, max_size=2)))
    return Range(low, high, log, points=5)


@given(ranges(), SHARES)
def test_a_draw_lies_in_its_range_and_has_its_kind(one: Range, share: float) -> None:
    found = one.at(share)
    assert one.low <= found <= one.high
    assert isinstance(found, int) == one.whole
    if one.step is not None:
        assert (found - one.low) % one.step == 0


@given(ranges(), SHARES, SHARES)
def test_draws_rise_with_their_share(one: Range, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert one.at(low) <= one.at(high)


@given(ranges())
def test_what_is_drawn_optuna_takes(one: Range) -> None:
    known = distributions({"x": one})["x"]
    for share in (0.0, 0.3, math.nextafter(1, 0)):
        assert known._contains(known.to_internal_repr(one.at(share)))


def test_whole_numbers_are_drawn_alike_often() -> None:
    one = Range(1, 4)
    found = [one.at(share) for share in (np.arange(4000) + 0.5) / 4000]
    assert [found.count(k) for k in range(1, 5)] == [1000] * 4


def test_a_logarithmic_range_has_a_third_of_its_draws_in_each_decade() -> None:
    one = Range(0.001, 1.0, log=True)
    found = [one.at(share) for share in (np.arange(3000) + 0.5) / 3000]
    assert sum(value < 0.01 for value in found) == 1000
    assert sum(value >= 0.1 for value in found) == 1000


def test_steps_are_decimals() -> None:
    assert Range(0.1, 0.5, step=0.1).grid() == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_a_grid_takes_points_ends_included() -> None:
    assert Range(15, 255, log=True, points=3).grid() == (15, 62, 255)
    assert Range(0.0, 1.0, points=5).grid() == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Range(1, 3, points=9).grid() == (1, 2, 3)
    assert Range(2, 4).grid() == (2, 3, 4)
    assert Range(0.0, 1.0).size == 0


def test_a_draw_depends_on_seed_and_number_alone() -> None:
    space = {"b": Range(0.0, 1.0), "a": Choice(("x", "y", "z")), "c": Range(1, 10**6)}
    again = {"c": space["c"], "b": space["b"], "a": space["a"]}
    first = [drawn(space, 7, number) for number in range(50)]
    assert [drawn(again, 7, number) for number in reversed(range(50))] == first[::-1]
    assert drawn(space, 8, 0) != first[0]
    assert len({one["c"] for one in first}) == 50
    assert {one["a"] for one in first} == {"x", "y", "z"}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_grid_holds_every_point_once(seed: int) -> None:
    space = {"a": Choice((True, False)), "b": Range(1, 5, step=2), "c": Range(0.0, 1.0, points=2)}
    points = grid(space, seed)
    assert len({tuple(sorted(one.items())) for one in points}) == len(points) == 12
    assert grid_size(space) == 12
    assert list(points) != list(grid(space, seed + 1))
