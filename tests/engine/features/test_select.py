"""Selections keep what scikit-learn and feature-engine keep, from any pieces of the rows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import feature_selection as sk

from engine.errors import ContractRefused, SpecError
from engine.features import select
from engine.features.fit import fit as fit_pipeline
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline
from engine.features.reduce import Pca
from engine.features.select import (
    Chi2,
    Chosen,
    Correlation,
    Duplicate,
    F,
    Importance,
    Missing,
    MutualInformation,
    Permutation,
    Variance,
)
from engine.features.step import Step
from engine.statistics.summary import Request, Summary
from engine.training.survey import gathered
from tests.engine.features.stepping import fit, training_frame, transform

RNG = np.random.default_rng(11)
ROWS = 600
CLASSES = RNG.integers(0, 3, ROWS).astype(np.float64)
VALUES = RNG.normal(size=ROWS)
FRAME = pl.DataFrame(
    {
        "strong": CLASSES * 2 + RNG.normal(size=ROWS),
        "noise": RNG.normal(5, 3, ROWS).astype(np.float32),
        "weak": CLASSES * 0.2 + RNG.normal(size=ROWS) + VALUES * 0.3,
        "value": VALUES * 3 + RNG.normal(size=ROWS),
        "count": RNG.poisson(3 + CLASSES),
        "flag": RNG.random(ROWS) < 0.3,
    }
)
NAMES = tuple(FRAME.columns)
HOLES = FRAME.with_columns(
    pl.when(pl.Series(RNG.random(ROWS) < 0.4)).then("strong").alias("strong"),
    nothing=pl.lit(None, pl.Float64),
    constant=pl.lit(2.5),
)
ALL = tuple(HOLES.columns)
LABELS: dict[str, npt.NDArray[np.float64]] = {
    "classification": CLASSES,
    "regression": VALUES * 2 + RNG.normal(size=ROWS),
}
BY_LABEL: dict[str, Any] = {
    "f": F,
    "mutual_information": MutualInformation,
    "importance": Importance,
    "permutation": Permutation,
}


def _chosen(step: Step, frame: pl.DataFrame, y: Any = None, **how: Any) -> Chosen:
    fitted = fit(step, frame, y, **how)
    assert isinstance(fitted, Chosen)
    assert fitted.expressions() == [] and fitted.sources() == {}
    assert transform(fitted, frame).columns == [c for c in frame.columns if c in fitted.kept]
    assert all(name in fitted.told() for name in step.columns)
    return fitted


@pytest.mark.parametrize("over", [0.0, 0.5, 5.0])
def test_variance_keeps_what_scikit_learn_keeps(over: float) -> None:
    fitted = _chosen(Variance(NAMES, over), FRAME)
    truth = sk.VarianceThreshold(over).fit(FRAME.cast(pl.Float64).to_numpy())
    assert fitted.kept == [n for n, kept in zip(NAMES, truth.get_support(), strict=True) if kept]
    np.testing.assert_allclose(list(fitted.scores.values()), FRAME.to_numpy().var(0), rtol=1e-7)


def test_columns_that_are_constant_or_empty_have_no_variance() -> None:
    fitted = _chosen(Variance(ALL), HOLES)
    assert fitted.dropped == ["nothing", "constant"]
    assert fitted.scores["nothing"] == fitted.scores["constant"] == 0


def test_missing_counts_null_and_nan_of_any_type() -> None:
    frame = pl.DataFrame(
        {
            "none": [1.0, 2.0, 3.0, 4.0],
            "half": [None, float("nan"), float("inf"), 1.0],
            "most": ["a", None, None, None],
        }
    )
    fitted = _chosen(Missing(("none", "half", "most"), 0.5), frame, cuts=[0, 1, 3, 3])
    assert fitted.scores == {"none": 0.0, "half": 0.5, "most": 0.75}
    assert fitted.dropped == ["most"]


def test_correlation_drops_the_later_as_feature_engine_does() -> None:
    base = RNG.normal(size=(ROWS, 3))
    mixed = base @ RNG.normal(size=(3, 12)) + RNG.normal(size=(ROWS, 12)) * 0.3
    frame = pl.DataFrame(mixed, schema=[f"x{i:02d}" for i in range(12)])
    frame = frame.with_columns(pl.when(pl.col("x03") < 1).then("x03").alias("x03"))
    fitted = _chosen(Correlation(tuple(frame.columns), 0.8), frame)
    r = frame.to_pandas().corr().abs()
    gone: list[str] = []
    for i, one in enumerate(frame.columns):
        if one not in gone:
            gone += [b for b in frame.columns[i + 1 :] if b not in gone and r.loc[one, b] > 0.8]
    assert sorted(gone) == fitted.dropped and 2 <= len(gone) < 11
    for name, like in fitted.like.items():
        assert fitted.scores[name] == pytest.approx(r.loc[name, like], rel=1e-12)
        assert f"{name} {fitted.scores[name]:.6g} with {like}" in fitted.told()
    library = pytest.importorskip("feature_engine.selection")
    truth = library.DropCorrelatedFeatures(threshold=0.8, missing_values="ignore")
    assert set(fitted.dropped) == set(truth.fit(frame.to_pandas()).features_to_drop_)


def test_a_constant_column_is_like_no_other() -> None:
    frame = pl.DataFrame({"a": [1.0, 1.0], "b": [1.0, 2.0], "c": [2.0, 4.0], "d": [None, 1.0]})
    fitted = _chosen(Correlation(("a", "b", "c", "d")), frame)
    assert (fitted.dropped, fitted.like) == (["c"], {"c": "b"})


def test_duplicates_are_equal_values_in_equal_rows() -> None:
    frame = pl.DataFrame(
        {
            "a": [1.0, None, 0.0, 3.0],
            "turned": [3.0, 0.0, None, 1.0],
            "same": pl.Series([1, None, 0, 3], dtype=pl.Int16),
            "nan": [1.0, float("nan"), -0.0, 3.0],
            "near": [1.0, None, 0.0, 3.0000000000000004],
            "text": ["x", "y", None, "z"],
            "again": pl.Series(["x", "y", None, "z"], dtype=pl.Categorical),
            "number": ["1.0", None, "0.0", "3.0"],
        }
    )
    fitted = _chosen(Duplicate(tuple(frame.columns)), frame, cuts=[1, 1, 3], backwards=True)
    assert fitted.like == {"same": "a", "nan": "a", "again": "text"}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("said", [True, False])
def test_f_equals_scikit_learn(task: Any, said: bool) -> None:
    test = sk.f_classif if task == "classification" else sk.f_regression
    x, y = FRAME.cast(pl.Float64).to_numpy(), LABELS[task]
    truth = sk.SelectKBest(test, k=2).fit(x, y)
    fitted = _chosen(F(NAMES, top=2, task=task if said else None), FRAME, y)
    np.testing.assert_allclose(list(fitted.scores.values()), truth.scores_, rtol=1e-10)
    assert set(fitted.kept) == {NAMES[i] for i in truth.get_support(indices=True)}


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_f_leaves_missing_values_out_column_by_column(task: Any) -> None:
    test = sk.f_classif if task == "classification" else sk.f_regression
    y = LABELS[task]
    fitted = _chosen(F(ALL, over=0.0, task=task), HOLES, y)
    known = HOLES["strong"].is_not_null().to_numpy()
    truth = test(HOLES["strong"].to_numpy()[known][:, None], y[known])[0][0]
    assert fitted.scores["strong"] == pytest.approx(truth, rel=1e-10)
    assert fitted.dropped == ["nothing", "constant"]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_f_of_a_column_that_is_the_label_is_infinite(task: Any) -> None:
    frame = pl.DataFrame({"x": CLASSES * 2 - 1, "noise": VALUES})
    fitted = _chosen(F(("x", "noise"), top=1, task=task), frame, CLASSES)
    assert fitted.kept == ["x"] and fitted.scores["x"] == np.inf


def test_chi2_equals_scikit_learn() -> None:
    frame = FRAME.select("count", "flag", pl.col("noise").abs(), zero=pl.lit(0.0))
    y = LABELS["classification"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = sk.chi2(frame.cast(pl.Float64).to_numpy(), y)[0]
    fitted = _chosen(Chi2(tuple(frame.columns), top=3), frame, y)
    np.testing.assert_allclose(list(fitted.scores.values())[:3], truth[:3], rtol=1e-10)
    assert fitted.scores["zero"] == 0 and fitted.dropped == ["zero"]
    with pytest.raises(ContractRefused, match="goes down to -"):
        fit(Chi2(("weak",), top=1), FRAME, y)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_mutual_information_is_that_of_scikit_learn(task: Any) -> None:
    classes = task == "classification"
    estimate = sk.mutual_info_classif if classes else sk.mutual_info_regression
    y = LABELS[task]
    fitted = _chosen(MutualInformation(NAMES, top=2, seed=3), FRAME, y)
    truth = estimate(FRAME.cast(pl.Float64).to_numpy(), y, random_state=3)
    np.testing.assert_allclose(list(fitted.scores.values()), truth, rtol=1e-12)
    holes = _chosen(MutualInformation(ALL, top=2, seed=3), HOLES, y)
    known = HOLES["strong"].is_not_null().to_numpy()
    alone = estimate(HOLES["strong"].to_numpy()[known][:, None], y[known], random_state=3)
    assert holes.scores["strong"] == pytest.approx(alone[0], rel=1e-12)
    assert holes.scores["nothing"] == 0


@pytest.mark.parametrize("name", ["importance", "permutation"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_models_find_the_columns_that_tell(name: str, task: str) -> None:
    step = BY_LABEL[name](ALL, top=2, rounds=20)
    fitted = _chosen(step, HOLES, LABELS[task])
    best = max(fitted.scores, key=lambda one: fitted.scores[one])
    assert best == ("strong" if task == "classification" else "value")
    assert fitted.scores["nothing"] == fitted.scores["constant"] == 0
    again = _chosen(step, HOLES, LABELS[task], cuts=[7, 300], backwards=True)
    assert vars(again) == vars(fitted)


def test_a_binary_label_is_scored_by_auc() -> None:
    y = (CLASSES > 0).astype(float)
    fitted = _chosen(Permutation(NAMES, over=0.02, rounds=20), FRAME, y)
    assert "strong" in fitted.kept and 0.02 < fitted.scores["strong"] < 0.6


_STEPS = [
    Variance(ALL),
    Missing(ALL, 0.2),
    Correlation(ALL, 0.3),
    Duplicate(ALL),
    F(ALL, top=3),
    F(ALL, top=3, task="regression"),
    Chi2(("count", "flag"), top=1),
    MutualInformation(ALL, top=3, sample=100),
    Importance(ALL, top=3, sample=100, rounds=5),
]


@pytest.mark.parametrize("step", _STEPS, ids=lambda step: step.method)
@settings(max_examples=5, deadline=None)
@given(cuts=st.lists(st.integers(0, ROWS), max_size=4), backwards=st.booleans())
def test_any_pieces_give_the_same_choice(step: Step, cuts: list[int], backwards: bool) -> None:
    whole = fit(step, HOLES, CLASSES)
    assert vars(fit(step, HOLES, CLASSES, cuts, backwards)) == vars(whole)


def test_equal_scores_keep_the_earlier_column() -> None:
    frame = pl.DataFrame({"b": VALUES, "a": VALUES, "c": -VALUES})
    assert _chosen(F(("b", "a", "c"), top=2), frame, LABELS["regression"]).kept == ["b", "a"]


_REFUSED: list[tuple[Step, Any, str]] = [
    (Variance(("constant",)), None, "every column"),
    (Missing(("nothing",)), None, "every column"),
    (F(("noise",), over=1e9), CLASSES, "every column"),
    (F(("noise",), top=1, task="classification"), VALUES, "more than 100"),
    (Importance(("noise",), top=1), np.zeros(ROWS), "1 different values"),
]


@pytest.mark.parametrize(("step", "y", "what"), _REFUSED)
def test_what_the_data_do_not_allow_is_refused(step: Step, y: Any, what: str) -> None:
    with pytest.raises(ContractRefused, match=what):
        fit(step, HOLES, y)


@pytest.mark.parametrize("step", [F(NAMES, over=0.0), Importance(NAMES, top=1), Missing(NAMES)])
def test_no_rows_are_refused(step: Step) -> None:
    with pytest.raises(ContractRefused):
        fit(step, FRAME[:0], [])


@pytest.mark.parametrize("name", BY_LABEL)
def test_a_rule_must_be_given(name: str) -> None:
    with pytest.raises(SpecError, match="give top or over"):
        BY_LABEL[name](NAMES)
    with pytest.raises(SpecError, match="at least 1"):
        BY_LABEL[name](NAMES, top=0)


def test_a_single_row_keeps_what_does_not_vary_only_by_another_measure() -> None:
    assert _chosen(Correlation(NAMES), FRAME[:1]).dropped == []
    with pytest.raises(ContractRefused):
        fit(Variance(NAMES), FRAME[:1])


def test_text_is_refused_where_numbers_are_needed() -> None:
    types = {"t": pl.String(), "carrier=*": pl.Float32()}
    with pytest.raises(SpecError, match="needs numbers"):
        Variance(("t",)).check(types, "here")
    outcome = Missing(("t", "carrier=*")).check(types, "here")
    assert (outcome.types, outcome.doubtful) == ({}, tuple(types))
    assert set(select.METHODS) == {step.method for step in _STEPS} | {"permutation"}


@pytest.mark.parametrize("last", [F(("*",), top=2), Pca(("*",), 2), Importance(("*",), top=2)])
def test_a_step_on_all_columns_waits_for_the_choice(last: Step) -> None:
    frame = HOLES.select("noise", "constant", "weak", "value")
    rows = training_frame(frame, CLASSES)

    def gather(fitted: FittedPipeline, request: Request) -> Summary:
        return gathered(fitted, request, rows)

    pipeline = Pipeline(steps=(Variance(("*",)), last))
    resolved = pipeline.resolve(dict(frame.schema), labelled=True)
    fitted = fit_pipeline(pipeline, resolved, gather)
    assert resolved.passes == 2 and "select variance" in resolved.whys[0]
    assert len(fitted.features) == 2 and "constant" not in fitted.inputs
    assert FittedPipeline.of_files(fitted.files()).transform(frame).equals(fitted.transform(frame))


HOUSING = ("longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms")
HOUSING += ("population", "households", "median_income")


@pytest.mark.real_data
def test_real_columns_are_chosen_as_by_scikit_learn(data_dir: Path) -> None:
    rows = pl.read_csv(data_dir / "california_housing" / "housing.csv").drop_nulls()
    frame, y = rows.select(HOUSING), rows["median_house_value"].to_numpy()
    x = frame.to_numpy()
    fitted = _chosen(F(HOUSING, top=3), frame, y)
    truth = sk.SelectKBest(sk.f_regression, k=3).fit(x, y)
    np.testing.assert_allclose(list(fitted.scores.values()), truth.scores_, rtol=1e-10)
    assert fitted.kept == [HOUSING[i] for i in truth.get_support(indices=True)]
    variances = _chosen(Variance(HOUSING, 10.0), frame)
    scored = sk.VarianceThreshold(10.0).fit(x)
    np.testing.assert_allclose(list(variances.scores.values()), scored.variances_, rtol=1e-10)
    assert variances.kept == [HOUSING[i] for i in scored.get_support(indices=True)]


@pytest.mark.real_data
def test_real_classes_are_told_apart_as_by_scikit_learn(data_dir: Path) -> None:
    frame = pl.read_csv(data_dir / "adult" / "adult.data", has_header=False)
    frame.columns = [f"c{i}" for i in range(15)]
    numbers = pl.col("c0", "c2", "c4", "c10", "c11", "c12").cast(pl.String).str.strip_chars()
    x = frame.select(numbers.cast(pl.Float64)).drop_nulls()
    assert x.height == frame.drop_nulls("c0").height > 32_000
    y = (frame.drop_nulls("c0")["c14"].str.strip_chars() == ">50K").cast(pl.Float64).to_numpy()
    for step, test in ((F, sk.f_classif), (Chi2, sk.chi2)):
        fitted = _chosen(step(tuple(x.columns), top=2), x, y)
        truth = sk.SelectKBest(test, k=2).fit(x.to_numpy(), y)
        np.testing.assert_allclose(list(fitted.scores.values()), truth.scores_, rtol=1e-10)
        assert fitted.kept == [x.columns[i] for i in truth.get_support(indices=True)]
