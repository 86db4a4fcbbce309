"""Predictions between two quantiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.scoring import Asked, Bundled, Interval
from engine.scoring.interval import crossed_of
from tests.engine.scoring.small_models import small_bundle


@dataclass(frozen=True)
class Says:
    """A model that says what one of the columns says."""

    column: str
    digest: str = "of a column"

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        return {"prediction": pl.Float32()}

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        return [rows[self.column].alias("prediction")]


SAYS = Interval(Says("middle"), Says("low"), Says("high"))
NUMBER = st.floats(width=32, allow_nan=False)


@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=20))
def test_the_prediction_always_lies_between_its_bounds(said: list[tuple[float, ...]]) -> None:
    schema = dict.fromkeys(("low", "middle", "high"), pl.Float32())
    rows = pl.DataFrame(said, schema=schema, orient="row")
    found = pl.DataFrame(SAYS.predict(rows))
    assert dict(found.schema) == SAYS.columns
    assert found["prediction"].equals(rows["middle"])
    assert (found["lower"] <= found["prediction"]).all()
    assert (found["prediction"] <= found["upper"]).all()
    # No bound moves inwards, and one that was right does not move.
    assert (found["lower"] <= rows["low"]).all() and (found["upper"] >= rows["high"]).all()
    in_order = (rows["low"] <= rows["middle"]) & (rows["middle"] <= rows["high"])
    assert found["crossed"].to_list() == (~in_order).to_list()
    kept = rows.filter(in_order)
    assert found.filter(in_order).select("lower", "upper").rows() == kept["low", "high"].rows()


def test_rows_that_crossed_are_counted() -> None:
    rows = pl.DataFrame({"low": [1.0, 3, 0], "middle": [2.0, 2, 2], "high": [3.0, 1, 1]})
    rows = rows.cast(pl.Float32)
    added = SAYS.predict(rows)
    assert crossed_of(SAYS, added) == 2
    assert crossed_of(SAYS, SAYS.predict(rows.clear())) == 0
    assert crossed_of(Says("low"), added) is None


@pytest.mark.parametrize("rows", [0, 3, 40])
def test_bounds_stand_before_what_else_the_model_is_asked(rows: int) -> None:
    bundles = [small_bundle("regression", ("x", "y"), alpha=a) for a in (0.5, 0.1, 0.9)]
    middle = Bundled(bundles[0], Asked(raw=True, explain=1))
    lower, upper = (Bundled(one, Asked()) for one in bundles[1:])
    model = Interval(middle, lower, upper)
    draw = np.random.default_rng(3)
    frame = pl.DataFrame({name: draw.normal(size=rows) for name in "xy"})
    found = pl.DataFrame(model.predict(frame))
    assert dict(found.schema) == model.columns
    assert list(model.columns)[:5] == ["prediction", "lower", "upper", "crossed", "raw"]
    alone = pl.DataFrame(middle.predict(frame))
    assert found.select(alone.columns).equals(alone)


def test_another_bound_is_another_model() -> None:
    assert SAYS.inputs == ("middle", "low", "high")
    swapped = replace(SAYS, lower=Says("high", "other"))
    assert swapped.digest != SAYS.digest != replace(SAYS, upper=Says("high", "other")).digest
    assert swapped.digest != replace(SAYS, upper=Says("high", "other")).digest
