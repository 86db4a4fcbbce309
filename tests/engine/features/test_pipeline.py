"""Features: fitted numbers are right, the bundle's JSON gives the same bits, misfits are told."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ContractRefused, ModelError, SpecError
from engine.features.encode import Encode
from engine.features.impute import Impute
from engine.features.pipeline import FittedPipeline, Pipeline
from engine.features.scale import Scale
from engine.statistics.summary import Summary

FRAME = pl.DataFrame(
    {
        "x": [1.0, None, 3.0, 8.0],
        "n": [1, 2, 3, 4],
        "c": ["b", "a", None, "b"],
    }
)


def fitted(pipeline: Pipeline, frame: pl.DataFrame = FRAME) -> FittedPipeline:
    resolved = pipeline.resolve(frame.schema, ())
    result = FittedPipeline.start(pipeline, resolved)
    for level in range(resolved.passes):
        request = result.request(pipeline, resolved, level)
        summary = Summary.of(result.apply(frame), request)
        result = result.fit(pipeline, resolved, level, summary)
    return result


def test_impute_fills_and_marks_what_was_missing() -> None:
    steps = (Impute(("x",), "mean", indicator=True),)
    found = fitted(Pipeline(steps=steps, columns=("x",))).transform(FRAME)
    assert found.to_dict(as_series=False) == {"x": [1, 4, 3, 8], "x_missing": [0, 1, 0, 0]}


def test_impute_by_median_and_constant() -> None:
    for step, value in ((Impute(("x",), "median"), 3.0), (Impute(("x",), "constant", -1.0), -1.0)):
        assert fitted(Pipeline(steps=(step,), columns=("x",))).transform(FRAME)["x"][1] == value


def test_a_column_without_values_has_no_mean() -> None:
    frame = FRAME.with_columns(x=pl.lit(None, pl.Float64))
    with pytest.raises(ContractRefused, match="has no value"):
        fitted(Pipeline(steps=(Impute(("x",), "mean"),), columns=("x",)), frame)


def test_scaling() -> None:
    standard = fitted(Pipeline(steps=(Scale(("n",), "standard"),), columns=("n",)))
    assert standard.transform(FRAME)["n"].std(ddof=0) == pytest.approx(1)
    minmax = fitted(Pipeline(steps=(Scale(("n",), "minmax"),), columns=("n",)))
    assert minmax.transform(FRAME)["n"].to_list() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_a_constant_column_is_shifted_and_not_divided_by_zero() -> None:
    frame = pl.DataFrame({"x": [5.0, 5.0]})
    for how in ("standard", "minmax", "robust"):
        found = fitted(Pipeline(steps=(Scale(("x",), how),)), frame).transform(frame)  # type: ignore[arg-type]
        assert found["x"].to_list() == [0, 0]


def test_codes_follow_names_and_unseen_levels_are_missing() -> None:
    pipeline = fitted(Pipeline(steps=(Encode(("c",)),), columns=("c",)))
    new = pl.DataFrame({"c": ["a", "b", "zz", None]})
    assert pipeline.transform(new)["c"].to_list() == [0, 1, None, None]
    assert pipeline.categorical == {0: 2}


def test_rare_and_unseen_levels_share_a_code_but_missing_stays_missing() -> None:
    pipeline = fitted(Pipeline(steps=(Encode(("c",), min_count=2),), columns=("c",)))
    new = pl.DataFrame({"c": ["a", "b", "zz", None]})
    assert pipeline.transform(new)["c"].to_list() == [1, 0, 1, None]
    assert pipeline.categorical == {0: 2}


def test_codes_of_numbers_compare_as_text() -> None:
    pipeline = fitted(Pipeline(steps=(Encode(("n",)),), columns=("n",)))
    assert pipeline.transform(pl.DataFrame({"n": [4, 9]}))["n"].to_list() == [3, None]


def test_derived_columns_may_use_earlier_ones_and_are_features() -> None:
    pipeline = Pipeline({"d": "n * 2", "e": "d + 1"}, (), ("x",), ("d",))
    resolved = pipeline.resolve(FRAME.schema, ())
    assert resolved.features == ("x", "e")
    assert resolved.inputs == ("x", "n")
    assert fitted(pipeline).transform(FRAME)["e"].to_list() == [3, 5, 7, 9]


def test_steps_on_a_fitted_column_cost_one_more_pass_and_others_do_not() -> None:
    steps = (Impute(("x",), "mean"), Scale(("n",), "standard"), Scale(("x",), "standard"))
    resolved = Pipeline(steps=steps, columns=("x", "n")).resolve(FRAME.schema, ())
    assert resolved.levels == (0, 0, 1)
    assert resolved.passes == 2
    found = fitted(Pipeline(steps=steps, columns=("x", "n"))).transform(FRAME)
    assert found["x"].mean() == pytest.approx(0, abs=1e-6)  # the mean after filling


@given(
    x=st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3), st.just(math.nan)), min_size=2),
    cut=st.integers(0, 50),
)
def test_any_cut_of_the_rows_and_the_way_through_json_give_the_same_bits(
    x: list[float | None], cut: int
) -> None:
    frame = pl.DataFrame({"x": x}, schema={"x": pl.Float64}).with_columns(
        c=pl.Series([str(i % 3) for i in range(len(x))])
    )
    steps = (
        Impute(("x",), "constant", 0.5, indicator=True),
        Scale(("x",), "standard"),
        Encode(("c",)),
    )
    pipeline = fitted(Pipeline({"d": "x / 3"}, steps), frame)
    whole = pipeline.transform(frame).to_numpy()
    again = FittedPipeline.from_dict(json.loads(json.dumps(pipeline.to_dict())))
    parts = [again.transform(part).to_numpy() for part in (frame[:cut], frame[cut:])]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_text_without_a_step_is_told_with_the_step_to_add() -> None:
    with pytest.raises(SpecError) as caught:
        Pipeline().resolve(FRAME.schema, ())
    assert "c (string)" in caught.value.what
    assert '{ encode = ["c"], with = "category" }' in str(caught.value.hint)


def test_the_target_is_not_a_feature() -> None:
    assert Pipeline().resolve({"x": pl.Float64(), "y": pl.Float64()}, ["y"]).features == ("x",)
    with pytest.raises(SpecError, match="target"):
        Pipeline(columns=("x", "y")).resolve({"x": pl.Float64(), "y": pl.Float64()}, ["y"])


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        ({"d": "nosuch + 1"}, "no column 'nosuch'"),
        ({"d": "x +"}, "not a SQL expression"),
        ({"d": "(select 1)"}, "subquery"),
        ({"d": "c + 1"}, "does not fit"),
    ],
)
def test_bad_expressions_are_told_with_their_key(derive: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        Pipeline(derive, (), ("x",)).resolve(FRAME.schema, ())
    assert "features.derive.d" in str(caught.value.where)


def test_a_step_on_text_names_the_step_in_the_job_file() -> None:
    with pytest.raises(SpecError) as caught:
        Pipeline(steps=(Scale(("c",), "minmax"),), columns=("c",)).resolve(FRAME.schema, ())
    assert caught.value.where == "features.steps[0]"


def test_a_step_from_a_newer_version_is_told() -> None:
    data = {"derive": {}, "steps": [{"verb": "fold"}], "features": [], "inputs": []}
    with pytest.raises(ModelError, match="fold"):
        FittedPipeline.from_dict(data)
