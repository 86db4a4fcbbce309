"""Statistics of scored rows: the same whatever the cut, exact where they say so."""

from __future__ import annotations

import json
import math
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.plan import Partition, Slice
from engine.reserved import ROW
from engine.scoring.statistics.buckets import BUCKETS, bucketed, counted, quantiles
from engine.scoring.statistics.cells import counted as cells_of
from engine.scoring.statistics.figures import figures
from engine.scoring.statistics.gathering import Gathering
from engine.scoring.statistics.sampling import CELLS, ROWS, drawn, places, step_of
from engine.scoring.statistics.state import TEXT, State, joined

FLOATS = st.one_of(st.none(), st.floats(width=32), st.sampled_from([0.0, -0.0, math.nan, math.inf]))
Cell = tuple[float | None, int | None, str]
CELL = st.tuples(
    FLOATS, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), st.text(max_size=3)
)


def _frame(rows: list[Cell]) -> pl.DataFrame:
    schema = {"x": pl.Float32(), "n": pl.Int64(), "t": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        at=pl.lit(datetime(2026, 1, 2, 3, 4, 5)),
        flag=pl.col("n") > 0,
        kind=pl.col("t").cast(pl.Categorical),
    )


def _partition(first: int, rows: int) -> Partition:
    return Partition(0, (Slice(0, first, rows, first),), rows, 0, 0, 0)


def _state(frame: pl.DataFrame, first: int, step: int) -> State:
    """Return the state of rows that begin with a number, by way of its file."""
    rows = frame.with_columns(pl.int_range(first, first + frame.height).alias(ROW))
    added = [frame["x"].alias("prediction")]
    gathering = Gathering(step)
    file = gathering.state(_partition(first, frame.height), rows, frame.columns, added, {})
    return State.decode(bytes(file.content))


def _told(state: State) -> str:
    """Return all that is written of a state."""
    found = {
        name: figures(cells, state.sample[name] if name in state.sample.columns else None)
        for name, cells in state.cells.items()
    }
    return json.dumps(found, allow_nan=False)


@given(
    st.integers(0, 150),
    st.lists(CELL, max_size=8),
    st.lists(st.integers(0, 150), max_size=5),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_any_cut_of_the_rows_gives_the_same_figures(
    count: int, odd: list[Cell], cuts: list[int], step: int
) -> None:
    rows = [odd[n % len(odd)] if odd and n % 3 else (n / 7, n << 40, str(n)) for n in range(count)]
    frame = _frame(rows)
    edges = sorted({0, frame.height, *(min(cut, frame.height) for cut in cuts)})
    pieces = [_state(frame.slice(low, high - low), low, step) for low, high in pairwise(edges)] or [
        _state(frame, 0, step)
    ]
    whole = _state(frame, 0, step)
    assert _told(joined(pieces)) == _told(whole)
    # Merged pair by pair is merged at once.
    merged = pieces[0]
    for piece in pieces[1:]:
        merged = joined([merged, piece])
    assert _told(merged) == _told(whole)


@given(st.lists(FLOATS, max_size=50), st.booleans())
@settings(deadline=None)
def test_all_cells_are_counted(values: list[float | None], chunked: bool) -> None:
    series = pl.Series("x", values, dtype=pl.Float32)
    if chunked:
        series = pl.concat([series[: len(values) // 2], series[len(values) // 2 :]], rechunk=False)
    cells = cells_of(series.to_frame())["x"]
    there = [value for value in values if value is not None]
    finite = [value for value in there if math.isfinite(value)]
    assert (cells.rows, cells.nulls) == (len(values), len(values) - len(there))
    assert cells.nan == sum(map(math.isnan, there))
    assert cells.infinite == sum(map(math.isinf, there))
    assert cells.low == (min(finite) if finite else None)
    assert cells.high == (max(finite) if finite else None)
    assert str(cells.low) != "-0.0" and str(cells.high) != "-0.0"


@given(st.integers(0, 10**12), st.integers(0, 400), st.integers(1, 50), st.integers(0, 400))
@settings(deadline=None)
def test_one_row_of_each_block_is_drawn_and_a_cut_changes_nothing(
    first: int, rows: int, step: int, cut: int
) -> None:
    whole = drawn(first, rows, step)
    cut = min(cut, rows)
    parts = np.concatenate([drawn(first, cut, step), drawn(first + cut, rows - cut, step)])
    assert whole.tolist() == parts.tolist()
    blocks = whole // step
    assert len(set(blocks.tolist())) == len(blocks)
    inside = range(-(-first // step), (first + rows) // step)
    assert set(inside) <= set(blocks.tolist())


def test_rows_that_were_left_out_are_not_drawn() -> None:
    numbers = np.array([n for n in range(1000) if n % 3])
    found = places(numbers, (Slice(0, 0, 600, 0), Slice(1, 0, 400, 600)), 10)
    wanted = [n for n in drawn(0, 1000, 10).tolist() if n % 3]
    assert numbers[found].tolist() == wanted
    assert 40 < len(wanted) < 100


def test_drawing_does_not_beat_with_the_data() -> None:
    weekday = drawn(0, 700_000, 7 * 5) % 7
    shares = np.bincount(weekday, minlength=7) / len(weekday)
    assert abs(shares - 1 / 7).max() < 0.01


def test_the_sample_is_bounded() -> None:
    assert step_of(0, 0) == 1 == step_of(ROWS, 30)
    assert 10**9 // step_of(10**9, 30) <= ROWS
    assert 10**9 // step_of(10**9, 5000) * 5000 <= CELLS


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=3000))
@settings(deadline=None, max_examples=30)
def test_ranges_hold_all_rows_and_quantiles_are_those_of_polars(found: list[float]) -> None:
    series = pl.Series("x", found, dtype=pl.Float32)
    values, counts = counted(series.to_numpy())
    lows, rows = bucketed(values, counts)
    assert rows.sum() == len(series)
    assert (np.diff(lows) > 0).all()
    for at, low in enumerate(lows):
        assert (series < low).sum() == rows[:at].sum()
    assert quantiles(values, counts)[4] == series.quantile(0.5)


def test_a_range_has_half_a_percent_of_the_rows_and_a_frequent_value_its_own() -> None:
    draws = np.random.default_rng(1).normal(size=20_000)
    draws[:5000] = 0.25
    lows, rows = bucketed(*counted(draws))
    assert len(lows) <= 1.5 * BUCKETS
    assert rows[lows == 0.25].tolist() == [5000]
    assert np.delete(rows, np.flatnonzero(lows == 0.25)).max() <= 2 * 20_000 / BUCKETS


def test_figures_of_a_sample_of_all_rows_are_those_of_the_rows() -> None:
    draw = np.random.default_rng(2)
    frame = pl.DataFrame(
        {"x": draw.normal(5, 2, 3000).astype(np.float32), "t": draw.choice(["a", "b"], 3000)}
    )
    state = _state(frame, 0, 1)
    told = {n: figures(state.cells[n], state.sample[n]) for n in ("features.x", "features.t")}
    x = told["features.x"]["sample"]
    assert x["mean"] == pytest.approx(frame["x"].cast(pl.Float64).mean(), abs=1e-12)
    assert x["std"] == pytest.approx(frame["x"].cast(pl.Float64).std(ddof=0), abs=1e-12)
    assert x["distinct_estimate"] == frame["x"].n_unique()
    assert told["features.x"]["max"] == frame["x"].max()
    counts = dict(told["features.t"]["sample"]["levels"])
    assert counts == dict(frame["t"].value_counts().iter_rows())
    assert told["features.t"]["sample"]["others"] == 0


def test_different_values_are_estimated_from_a_sample() -> None:
    keys = pl.DataFrame({"x": np.arange(100_000), "few": np.arange(100_000) % 50})
    state = _state(keys, 0, 10)
    few, many = (
        figures(state.cells[f"features.{n}"], state.sample[f"features.{n}"]) for n in ("few", "x")
    )
    assert few["sample"]["distinct_estimate"] == 50
    assert 100_000 / math.sqrt(10) * 0.9 < many["sample"]["distinct_estimate"] <= 100_000


def test_times_flags_and_long_text_are_told_as_they_are() -> None:
    frame = pl.DataFrame(
        {
            "at": [datetime(2026, 1, 2), datetime(2026, 1, 4), None],
            "flag": [True, None, True],
            "text": ["a" * 200, "b", None],
            "listed": [[1], [2], None],
        }
    )
    state = _state(frame.with_columns(x=pl.lit(1.0)), 0, 1)
    told = {
        name: figures(state.cells[f"features.{name}"], state.sample[f"features.{name}"])
        for name in ("at", "flag", "text")
    }
    assert (told["at"]["min"], told["at"]["max"]) == ("2026-01-02T00:00:00", "2026-01-04T00:00:00")
    assert told["at"]["sample"]["mean"] == "2026-01-03T00:00:00"
    assert told["at"]["sample"]["std"] == 86_400.0
    assert told["flag"]["sample"]["levels"] == [["true", 2]]
    assert told["text"]["sample"]["levels"] == [["a" * TEXT, 1], ["b", 1]]
    listed = figures(state.cells["features.listed"], None)
    assert (listed["rows"], listed["nulls"], "sample" in listed) == (3, 1, False)


def test_the_file_of_a_state_has_the_same_bytes_every_time() -> None:
    frame = _frame([(1.5, 2, "a"), (None, None, "b"), (math.nan, 3, "c")] * 50)
    chunks = pl.concat([frame[:70], frame[70:]], rechunk=False)
    at = np.arange(0, 150, 3)
    assert (
        State.of(frame, at).encode()
        == State.of(frame, at).encode()
        == State.of(chunks, at).encode()
    )
