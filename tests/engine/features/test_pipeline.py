"""Pipelines: order and passes, leaks and misfits, what is stored, and the same bits for any cut."""

import json
import math
import re
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ContractRefused, ModelError, SpecError
from engine.features import catalogue, combine, datetime, discretise, encode, impute, reduce, scale
from engine.features import select as selection
from engine.features.fitted import FILE, FittedPipeline
from engine.features.pipeline import Pipeline
from engine.features.step import Step
from tests.engine.features.stepping import fit_pipeline, training_frame

FRAME = pl.DataFrame(
    {
        "x": [1.0, None, 3.0, 8.0],
        "n": [1, 2, 3, 4],
        "c": ["b", "a", None, "b"],
    }
)


def test_every_step_is_named_as_its_place_says() -> None:
    for verb in catalogue.VERBS:
        for method, kind in catalogue.methods(verb).items():
            assert (kind.verb, kind.method) == (verb, method)
            assert kind.__name__.lower() == method.replace("_", ""), "Python and job file agree"
            assert catalogue.step(verb, method) is kind


def test_derived_columns_may_use_earlier_ones_and_are_features() -> None:
    pipeline = Pipeline({"d": "n * 2", "e": "d + 1"}, (), ("x",), ("d",))
    resolved = pipeline.resolve(FRAME.schema)
    assert resolved.features == ("x", "e")
    assert resolved.inputs == ("x", "n")
    assert fit_pipeline(pipeline, FRAME).transform(FRAME)["e"].to_list() == [3, 5, 7, 9]


def test_steps_on_a_fitted_column_cost_one_more_pass_and_others_do_not() -> None:
    steps = (impute.Mean(("x",)), scale.Standard(("n",)), scale.Standard(("x",)))
    resolved = Pipeline(steps=steps, columns=("x", "n")).resolve(FRAME.schema)
    assert resolved.levels == (0, 0, 1)
    assert resolved.passes == 2
    assert resolved.whys == (
        "steps[2], scale standard, needs 'x' as steps[0], impute mean, leaves it",
    )
    found = fit_pipeline(Pipeline(steps=steps, columns=("x", "n")), FRAME).transform(FRAME)
    assert found["x"].mean() == pytest.approx(0, abs=1e-6)  # the mean after filling


def test_a_constant_needs_no_pass_of_its_own() -> None:
    steps = (impute.Constant(("x",), value=0.0), scale.Standard(("x",)))
    pipeline = Pipeline(steps=steps, columns=("x",))
    assert pipeline.resolve(FRAME.schema).passes == 1
    filled = FRAME["x"].fill_null(0.0)
    found = fit_pipeline(pipeline, FRAME).transform(FRAME)["x"]
    expected = (filled - filled.mean()) / filled.std(ddof=0)
    assert found.to_list() == pytest.approx(expected.to_list(), rel=1e-6)


def test_a_column_is_not_changed_before_an_earlier_step_has_looked_at_it() -> None:
    # The ratio is known after pass 0 only, and must see n as it was, not scaled.
    steps = (
        impute.Mean(("x",)),
        scale.Standard(("x",)),
        combine.Ratio(("x",), over="n"),
        scale.Standard(("n",)),
    )
    pipeline = Pipeline(steps=steps, columns=("x", "n"))
    found = fit_pipeline(pipeline, FRAME)
    whole = found.transform(FRAME)
    x = FRAME["x"].fill_null(4.0)
    expected = (x - x.mean()) / x.std(ddof=0) / FRAME["n"]
    assert whole[whole.columns[-1]].to_list() == pytest.approx(expected.to_list(), rel=1e-6)


def test_statistics_are_of_a_column_as_it_stands_where_the_step_does() -> None:
    # The components are fitted in the second pass; n must not have been scaled by then.
    first = (
        impute.Mean(("x",)),
        scale.Standard(("x",)),
        reduce.Pca(("x", "n"), components=1, keep=True),
    )
    alone = fit_pipeline(Pipeline(steps=first, columns=("x", "n")), FRAME).transform(FRAME)
    then = (*first, scale.Minmax(("n",)))
    found = fit_pipeline(Pipeline(steps=then, columns=("x", "n")), FRAME).transform(FRAME)
    assert found["pca1"].to_list() == alone["pca1"].to_list()
    assert found["n"].to_list() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_a_starred_name_means_the_features_of_that_place() -> None:
    steps = (
        encode.Onehot(("c",)),
        scale.Maxabs(("c=*", "n")),
        combine.Product(("x", "n")),
    )
    found = fit_pipeline(Pipeline(steps=steps), FRAME)
    assert found.features[:4] == ("x", "n", "c=a", "c=b")
    resolved = Pipeline(steps=steps).resolve(FRAME.schema)
    assert "c=*" in resolved.features
    assert resolved.width >= len(found.features)
    with pytest.raises(SpecError, match="no feature fits 'z"):
        Pipeline(steps=(scale.Maxabs(("z*",)),), drop=("c",)).resolve(FRAME.schema)


def test_what_selection_drops_is_neither_computed_nor_read() -> None:
    frame = FRAME.with_columns(flat=pl.lit(1.0), other=pl.lit(2.0))
    steps = (
        impute.Mean(("x",)),
        scale.Standard(("other",)),
        selection.Variance(("*",)),
    )
    found = fit_pipeline(Pipeline(steps=steps, drop=("c",)), frame)
    assert found.features == ("x", "n")
    assert found.inputs == ("x", "n")
    assert [step.kind.partition(".")[0] for step in found.steps] == ["impute", "select"]
    assert "dropped: other" in str(found) or "flat" in str(found)


def test_a_selection_costs_those_that_follow_no_pass_unless_they_look_at_several_columns() -> None:
    frame = FRAME.with_columns(flat=pl.lit(1.0)).drop("c")
    alone = (selection.Variance(("*",)), scale.Standard(("*",)))
    assert Pipeline(steps=alone).resolve(frame.schema).passes == 1
    found = fit_pipeline(Pipeline(steps=alone), frame)
    assert found.features == ("x", "n")
    together = (selection.Variance(("*",)), reduce.Pca(("*",), components=1))
    resolved = Pipeline(steps=together).resolve(frame.schema)
    assert resolved.passes == 2
    assert "as steps[0], select variance, leaves it" in resolved.whys[0]
    assert fit_pipeline(Pipeline(steps=together), frame).features == ("pca1",)


def test_lineage_leads_to_the_columns_of_the_data() -> None:
    steps = (
        impute.Mean(("x",), indicator=True),
        combine.Product(("x", "d")),
        encode.Onehot(("c",)),
    )
    found = fit_pipeline(Pipeline({"d": "n * 2"}, steps), FRAME)
    assert found.lineage() == {
        "x": ["x"],
        "n": ["n"],
        "d": ["n"],
        "x_missing": ["x"],
        "x*d": ["x", "n"],
        "c=a": ["c"],
        "c=b": ["c"],
    }
    assert found.get_feature_names_out() == list(found.lineage())
    assert "mean" in str(found) or "x: 4" in str(found)


def test_the_exported_expressions_do_what_the_pipeline_does() -> None:
    steps = (impute.Median(("x",)), scale.Standard(("x",)), encode.Category(("c",)))
    found = fit_pipeline(Pipeline({"d": "n * 2"}, steps), FRAME)
    *stages, last = found.expressions()
    lazy = FRAME.lazy()
    for stage in stages:
        lazy = lazy.with_columns(stage)
    assert lazy.select(last).collect().equals(found.transform(FRAME))


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_few_rows_get_the_bits_that_they_have_among_many(rows: int) -> None:
    # Polars divides a piece of one row by 3, and multiplies longer ones by 1 / 3.
    frame = pl.DataFrame({"x": [1.25 * i for i in range(1_000)]})
    found = fit_pipeline(Pipeline({"d": "x / 3"}), frame)
    whole = found.apply(frame, ["d"])["d"]
    parts = [found.apply(frame[i : i + rows], ["d"])["d"] for i in range(0, 1_000, rows)]
    assert pl.concat(parts).to_list() == whole.to_list()


TIMES = st.datetimes(
    min_value=pl.Series(["2007-01-01"]).str.to_datetime()[0],
    max_value=pl.Series(["2009-12-31"]).str.to_datetime()[0],
)
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(-1e3, 1e3, width=32), st.just(math.nan)),
        st.floats(-1e12, 1e12),
        st.sampled_from(["a", "b", "ü", None]),
        TIMES,
        st.booleans(),
    ),
    min_size=8,
    max_size=60,
)
MANY: tuple[Step, ...] = (
    impute.Constant(("x",), value=0.5, indicator=True),
    datetime.Parts(("t",), parts=("month", "weekday")),
    encode.Target(("c",), folds=3),
    discretise.Quantile(("z",), bins=3),
    scale.Standard(("x",)),
    scale.Robust(("c",)),
    combine.Product(("x", "t_month")),
    reduce.Pca(("x", "c", "t_month"), components=2, keep=True),
    selection.Variance(("*",)),
)


@settings(deadline=None, max_examples=40)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 60), max_size=4), back=st.booleans())
def test_any_cut_and_any_order_of_merging_give_the_same_fitted_and_output_bytes(
    rows: list[tuple[object, ...]], cuts: list[int], back: bool
) -> None:
    schema = {"x": pl.Float64, "z": pl.Float64, "c": pl.String, "t": pl.Datetime, "y": pl.Boolean}
    whole = pl.DataFrame(rows, schema=schema, orient="row")
    frame, y = whole.drop("y"), whole["y"].cast(pl.Float64).to_numpy()
    pipeline = Pipeline({"d": "x / 3"}, MANY)
    try:
        one = fit_pipeline(pipeline, frame, y)
    except ContractRefused as error:  # nothing varies
        with pytest.raises(ContractRefused, match=re.escape(error.what)):
            fit_pipeline(pipeline, frame, y, cuts, back)
        return
    two = fit_pipeline(pipeline, frame, y, cuts, back)
    assert one.files() == two.files()
    again = FittedPipeline.of_files(one.files())
    for training in (False, True):
        rows_of = training_frame(frame, y) if training else frame
        out = one.transform(rows_of, training).to_numpy()
        edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
        parts = [again.transform(rows_of[a:b], training).to_numpy() for a, b in pairwise(edges)]
        assert out.tobytes() == np.concatenate(parts).tobytes()


def test_text_without_a_step_is_told_with_the_step_to_add() -> None:
    with pytest.raises(SpecError) as caught:
        Pipeline().resolve(FRAME.schema)
    assert "c (string)" in caught.value.what
    assert '{ encode = ["c"], with = "category" }' in str(caught.value.hint)


def test_no_feature_is_made_of_the_target() -> None:
    schema = {"x": pl.Float64(), "y": pl.Float64()}
    assert Pipeline().resolve(schema, forbidden=["y"]).features == ("x",)
    with pytest.raises(SpecError, match="target"):
        Pipeline(columns=("x", "y")).resolve(schema, forbidden=["y"])
    with pytest.raises(SpecError, match="target") as caught:
        Pipeline(steps=(combine.Product(("x", "y")),)).resolve(schema, forbidden=["y"])
    assert caught.value.where == "features.steps[0]"


def test_a_step_may_read_a_column_that_is_no_feature_by_itself() -> None:
    schema = {"x": pl.Float64(), "t": pl.Datetime()}
    steps = (datetime.Parts(("t",), parts=("hour",)),)
    resolved = Pipeline(steps=steps).resolve(schema, excluded=["t"])
    assert resolved.features == ("x", "t_hour")
    assert resolved.inputs == ("t", "x") or resolved.inputs == ("x", "t")
    with pytest.raises(SpecError, match="change nothing"):
        Pipeline(steps=(scale.Standard(("x",)),)).resolve(schema, excluded=["x", "t"])


@pytest.mark.parametrize(
    ("derive", "message"),
    [
        ({"d": "nosuch + 1"}, "no column 'nosuch'"),
        ({"d": "x +"}, "not a SQL expression"),
        ({"d": "(select 1)"}, "subquery"),
        ({"d": "c + 1"}, "does not fit"),
        ({"d": "sum(x)"}, "other row"),
    ],
)
def test_bad_expressions_are_told_with_their_key(derive: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        Pipeline(derive, (), ("x",)).resolve(FRAME.schema)
    assert "features.derive.d" in str(caught.value.where)


def test_a_step_on_text_names_the_step_in_the_job_file() -> None:
    with pytest.raises(SpecError) as caught:
        Pipeline(steps=(scale.Minmax(("c",)),), columns=("c",)).resolve(FRAME.schema)
    assert caught.value.where == "features.steps[0]"


def test_a_step_from_a_newer_version_is_told() -> None:
    files = fit_pipeline(Pipeline(steps=(impute.Mean(("x",)),), columns=("x",)), FRAME).files()
    data = json.loads(files[FILE])
    data["steps"][0]["$step"] = "fold.up"
    with pytest.raises(ModelError, match=r"fold\.up"):
        FittedPipeline.of_files({**files, FILE: json.dumps(data).encode()})


def test_pipelines_beside_each_other_make_what_each_makes_alone() -> None:
    one = fit_pipeline(Pipeline({}, (scale.Standard(("n",)),), ("n",)), FRAME)
    codes = Pipeline({"x": "n * 10"}, (encode.Category(("c",)),), ("x", "c"))
    other = fit_pipeline(codes, FRAME)
    empty = FittedPipeline({}, (), (), ())
    both = one.joined({"old": other, "more": one})
    assert both.features == ("n", "old.x", "old.c", "more.n")
    assert (both.own, both.place("old"), both.place("more")) == (("n",), 1, 3)
    assert both.inputs == ("n", "c") and both.categorical == {2: 2}
    assert both.lineage() == {"n": ["n"], "old.x": ["n"], "old.c": ["c"], "more.n": ["n"]}
    again = FittedPipeline.of_files(both.files())
    assert again.digest == both.digest != one.digest and again.features == both.features
    for pipeline, first in ((again, 1), (empty.joined({"old": other}), 0)):
        made = pipeline.transform(FRAME)
        assert made["old.x"].to_list() == [10, 20, 30, 40]
        assert made["old.c"].equals(other.transform(FRAME)["c"])
        assert made.columns.index("old.x") == first
    assert both.transform(FRAME)["n"].equals(one.transform(FRAME)["n"])
    with pytest.raises(ModelError, match="not one list of expressions"):
        both.expressions()


def test_a_pipeline_alone_has_the_files_that_it_always_had() -> None:
    one = fit_pipeline(Pipeline({}, (scale.Standard(("n",)),), ("n",)), FRAME)
    assert set(json.loads(one.files()[FILE])) == {"derive", "steps", "features", "inputs"}
    assert one.joined({}).digest == one.digest
