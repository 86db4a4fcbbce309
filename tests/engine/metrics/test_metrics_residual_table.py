"""The table of residuals: the same for any partitioning, every row in its cell, few cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.metrics import Measure
from engine.metrics.residual_table import RANGES, ResidualTable
from tests.engine.metrics.states import bits, merged

Block = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@st.composite
def pairs(draw: st.DrawFn) -> Block:
    n = draw(st.integers(1, 200))
    whole = st.floats(-1e300, 1e300)
    few = st.sampled_from([0.0, -5e-324, 1.0, 1e-30, -3.5])
    unit = draw(st.sampled_from([whole, st.floats(-1, 1), few, st.just(0.0), st.just(-1e-200)]))
    seed = draw(st.integers(0, 99))
    spread = np.random.default_rng(seed).normal(size=n) * draw(st.sampled_from([1.0, 1e-9]))
    return draw(hnp.arrays(np.float64, n, elements=unit)), spread


@settings(deadline=None)
@given(pairs(), st.lists(st.integers(0, 200), max_size=6), st.one_of(st.none(), st.integers(0, 99)))
def test_parts_are_the_whole(data: Block, cuts: list[int], order: int | None) -> None:
    whole = ResidualTable.of(*data)
    assert bits(merged(ResidualTable.of, data, cuts, order)) == bits(whole)
    assert whole.counts.sum() == len(data[0])


@settings(deadline=None)
@given(pairs())
def test_every_row_is_in_its_cell(data: Block) -> None:
    figure = ResidualTable.of(*data).figure()
    assert max(len(figure["predicted"]), len(figure["residual"])) <= RANGES
    for row, column, count in figure["cells"]:
        low, bottom = figure["predicted"][row], figure["residual"][column]
        inside = (data[0] >= low) & (data[0] < low + figure["width"])
        inside &= (data[1] >= bottom) & (data[1] < bottom + figure["height"])
        assert inside.sum() == count


def test_an_outlier_does_not_make_the_others_coarse() -> None:
    random = np.random.default_rng(0)
    p, residual = random.normal(size=(2, 10_000))
    p[0] = 1e4
    table = ResidualTable.of(p, residual)
    assert 30 <= len(table.predicted.places) <= RANGES
    assert 2.0**table.predicted.power <= 0.25 and 2.0**table.residual.power <= 0.25


def test_a_report_gets_the_figure() -> None:
    y, p = np.arange(10.0), np.arange(10.0) + 0.5
    curves = Measure("regression").of(y, p).curves()
    assert sum(count for _, _, count in curves["residuals"]["cells"]) == 10
    assert curves["residuals"]["residual"] == [-0.5]
    assert Measure("regression").empty().curves() == {}
    assert Measure("regression").each_round(y, p).curves() == {}
