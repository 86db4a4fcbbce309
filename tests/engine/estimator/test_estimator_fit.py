"""Fits of rows in memory and in files, without a cluster: each starts a rank."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_tables import FEATURES, only, table
from sklearn.model_selection import cross_val_score

from engine import Dataset
from engine.errors import ContractRefused, SpecError
from engine.estimator import LGBMClassifier, LGBMRanker, LGBMRegressor
from engine.estimator.model import Model

FEW: dict[str, Any] = {"n_estimators": 12, "num_leaves": 7, "n_jobs": 1}


@pytest.fixture(scope="module")
def classes() -> LGBMClassifier:
    """Fitted on pandas, with weights, on three classes of text."""
    model = LGBMClassifier(**FEW)
    return model.fit(only("three", "w"), "three", sample_weight="w", categorical_feature=["t"])


def test_what_is_known_after_the_fit(classes: LGBMClassifier) -> None:
    assert classes.classes_.tolist() == ["hi", "lo", "mid"] and classes.n_classes_ == 3
    assert classes.feature_names_in_.tolist() == FEATURES == classes.feature_name_
    assert classes.n_features_in_ == 5
    assert classes.categories_ == {"c": ("x", "y", "z"), "t": ("k1", "k2", "k3")}
    assert classes.best_iteration_ == classes.n_iter_ == 12
    assert classes.evals_result_ == classes.best_score_ == {}
    assert classes.score(table(), table()["three"]) > 0.9


def test_probabilities_are_those_of_lightgbm(classes: LGBMClassifier) -> None:
    rows = only("three")
    codes = {"c": {"x": 0, "y": 1, "z": 2}, "t": {"k1": 0, "k2": 1, "k3": 2}}
    x = rows[FEATURES].assign(**{name: rows[name].map(of) for name, of in codes.items()})
    booster = classes.booster_
    assert booster.feature_name() == FEATURES
    expected = booster.predict(x.to_numpy(np.float32))
    np.testing.assert_allclose(classes.predict_proba(rows), expected, rtol=1e-12)
    labels = classes.classes_[expected.argmax(axis=1)]
    np.testing.assert_array_equal(classes.predict(rows), labels)
    raw = booster.predict(x.to_numpy(np.float32), raw_score=True)
    np.testing.assert_array_equal(classes.predict(rows, raw_score=True), raw)


def test_importances_are_those_of_lightgbm(classes: LGBMClassifier) -> None:
    booster = classes.booster_
    expected = booster.feature_importance("split")
    np.testing.assert_array_equal(classes.feature_importances_, expected)
    gain = pickle.loads(pickle.dumps(classes)).set_params(importance_type="gain")
    rounded = booster.feature_importance("gain")  # as the text has it
    np.testing.assert_allclose(gain.feature_importances_, rounded, rtol=1e-4)


def test_columns_are_found_by_name_in_any_library(classes: LGBMClassifier) -> None:
    rows = table()
    expected = classes.predict_proba(rows)
    turned = rows[rows.columns[::-1]]
    polars = pl.from_pandas(turned).with_columns(pl.col("t").cast(pl.Categorical))
    np.testing.assert_array_equal(classes.predict_proba(turned), expected)
    np.testing.assert_array_equal(classes.predict_proba(polars), expected)
    again: LGBMClassifier = pickle.loads(pickle.dumps(classes))
    np.testing.assert_array_equal(again.predict_proba(rows), expected)


def test_an_unseen_category_is_a_missing_one(classes: LGBMClassifier) -> None:
    rows = table(40)
    unseen = classes.predict_proba(rows.assign(t="k9"))
    missing = classes.predict_proba(rows.assign(t=pd.Series([None] * 40, dtype="str")))
    np.testing.assert_array_equal(unseen, missing)


def test_rows_that_are_not_those_of_the_fit_are_refused(classes: LGBMClassifier) -> None:
    with pytest.raises(SpecError, match="no column 't'"):
        classes.predict(table().drop(columns="t"))
    with pytest.raises(SpecError, match="was a number in the fit"):
        classes.predict(table().assign(a="many"))
    with pytest.raises(SpecError, match="give a frame"):
        classes.predict(np.ones((3, 5)))


def test_no_rows_have_no_predictions(classes: LGBMClassifier) -> None:
    assert classes.predict_proba(table()[:0]).shape == (0, 3)
    assert classes.predict(table()[:0]).shape == (0,)


def test_every_kind_of_table_gives_the_same_model(classes: LGBMClassifier, tmp_path: Path) -> None:
    rows = only("three", "w")
    rows.to_parquet(tmp_path / "rows.parquet", row_group_size=500)
    dataset = Dataset.open(str(tmp_path))
    for x, y, weight in [
        (pl.from_pandas(rows), "three", "w"),
        (rows[FEATURES], rows["three"].tolist(), rows["w"].to_numpy()),
        (dataset, "three", "w"),
    ]:
        model = LGBMClassifier(**FEW)
        model.fit(x, y, sample_weight=weight, categorical_feature=["c", "t"])
        assert model.model_ == classes.model_
        assert model.classes_.tolist() == classes.classes_.tolist()


def test_predictions_of_a_data_set_are_lazy(classes: LGBMClassifier, tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "rows.parquet")
    found = classes.predict_proba(tmp_path).compute()
    assert list(found.columns) == ["probability_hi", "probability_lo", "probability_mid"]
    np.testing.assert_array_equal(found.to_numpy(), classes.predict_proba(table()))


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    model = LGBMRegressor(**FEW, scratch=str(tmp_path))
    model.fit(only("value"), "value", categorical_feature=["t"])
    with pytest.raises(ContractRefused):
        LGBMClassifier(**FEW, scratch=str(tmp_path)).fit(np.ones((1200, 1)), np.arange(1200))
    assert not list(tmp_path.iterdir())
    with pytest.raises(SpecError, match="scratch="):
        model.set_params(scratch=str(tmp_path / "none")).fit(np.ones((9, 1)), np.ones(9))


def test_early_stopping_keeps_the_best_round() -> None:
    rows = only("value")[["a", "b", "value"]]
    noisy = rows.assign(value=np.random.default_rng(0).normal(size=len(rows)))
    model = LGBMRegressor(n_estimators=40, n_jobs=1)
    held_out = [(noisy, "value")]
    model.fit(rows, "value", eval_set=held_out, eval_names=["mine"], early_stopping_rounds=3)
    rmse = model.evals_result_["mine"]["rmse"]
    assert model.best_iteration_ == int(np.argmin(rmse)) + 1 == model.n_iter_ - 3 < 37
    assert model.best_score_["mine"]["rmse"] == min(rmse)
    assert model.booster_.num_trees() == model.best_iteration_
    expected = np.sqrt(np.mean((model.predict(noisy) - noisy["value"]) ** 2))
    assert min(rmse) == pytest.approx(expected, rel=1e-6)


@pytest.mark.long
def test_group_sizes_and_query_ids_are_the_same() -> None:
    rows = only("relevance", "query")
    x, y = rows[["a", "b"]], rows["relevance"]
    sizes = np.full(len(rows) // 10, 10)
    by_size = LGBMRanker(**FEW).fit(x, y, group=sizes)
    held_out = [(rows[["a", "b", "relevance", "query"]], "relevance")]
    by_id = LGBMRanker(**FEW)
    by_id.fit(rows[["a", "b", "relevance", "query"]], "relevance", qid="query", eval_set=held_out)
    assert by_size.model_ == by_id.model_
    assert by_id.best_score_["valid_0"]["ndcg@5"] > 0.8
    assert np.corrcoef(by_size.predict(x), y)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({}, "group"),
        ({"group": [10], "qid": [1]}, "group"),
        ({"group": [10]}, "groups have 10 rows"),
        ({"qid": np.tile(np.arange(10), 120)}, "do not stand together"),
        ({"qid": np.zeros(5)}, "inconsistent numbers of samples"),
    ],
)
def test_queries_that_cannot_be_are_refused(arguments: dict[str, Any], what: str) -> None:
    rows = only("relevance")
    with pytest.raises((ValueError, ContractRefused), match=what):
        LGBMRanker().fit(rows[["a"]], rows["relevance"], **arguments)


@pytest.mark.long
def test_class_weights_are_weights_of_rows() -> None:
    rows = only("yes")
    x, y = rows[["a", "b"]], rows["yes"]
    weights = np.where(y == "yes", 3.0, 1.0)
    by_class = LGBMClassifier(**FEW, class_weight={"yes": 3.0}).fit(x, y)
    by_row = LGBMClassifier(**FEW).fit(x, y, sample_weight=weights)
    assert by_class.model_ == by_row.model_


def test_boosting_starts_from_first_scores() -> None:
    rows = only("value")
    start = rows["value"].to_numpy() - 5.0 * rows["flag"]
    model = LGBMRegressor(**FEW).fit(rows[["a", "flag"]], rows["value"], init_score=start)
    left = 5.0 * rows["flag"] * (1 - 0.9**12)  # of what the start leaves, a tenth is not learnt
    np.testing.assert_allclose(model.predict(rows), left, atol=0.01)


@pytest.mark.parametrize("y", [np.arange(60.0), np.full(60, 7.0)], ids=["labels", "one label"])
def test_a_constant_column_tells_the_mean(y: np.ndarray) -> None:
    model = LGBMRegressor(**FEW).fit(np.ones((60, 1)), y)
    np.testing.assert_allclose(model.predict(np.zeros((2, 1))), y.mean())
    assert model.feature_importances_.tolist() == [0]


def test_a_missing_value_alone_can_tell() -> None:
    x = np.where(np.arange(200) % 2, np.nan, 1.0)[:, None]
    model = LGBMClassifier(**FEW, random_state=1).fit(x, np.arange(200) % 2 == 1)
    assert model.predict(x).tolist() == [False, True] * 100
    assert model.classes_.dtype == bool


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ({"X": np.ones((4, 2)), "y": "label"}, "an array has no column 'label'"),
        ({"X": table()[["t"]], "y": np.ones(1200)}, "categorical_feature"),
        ({"X": table()[["a"]], "y": "lable"}, "no column 'lable'"),
        ({"X": table()[["a"]], "y": np.ones(3)}, "inconsistent numbers of samples"),
        ({"X": table()[["a"]], "y": None}, "requires y"),
        ({"X": np.ones((4, 2)), "y": np.ones(4), "eval_set": [1, 2]}, "eval_set"),
        ({"X": np.ones((4, 2)), "y": np.ones(4), "early_stopping_rounds": 3}, "eval_set"),
        ({"X": np.ones((2, 1)), "y": pd.Series([1, None], dtype="Int64")}, "NaN"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(call: dict[str, Any], what: str) -> None:
    with pytest.raises((ValueError, SpecError), match=what):
        LGBMRegressor().fit(**call)


@pytest.mark.parametrize("missing", [pd.Series(["a", None, "b"]), [None, "a", "b"]], ids=["s", "l"])
def test_a_missing_label_is_told(missing: Any) -> None:
    with pytest.raises(SpecError, match="a label is missing"):
        LGBMClassifier().fit(np.ones((3, 1)), missing)


def test_scikit_learn_takes_it_for_its_own() -> None:
    rows = only("yes")
    found = cross_val_score(
        LGBMClassifier(**FEW), rows[["a", "b"]], rows["yes"], cv=2, scoring="roc_auc"
    )
    assert found.shape == (2,) and found.min() > 0.7


def test_documented_attributes_are_there(classes: Model) -> None:
    doc = (Model.__doc__ or "") + (LGBMClassifier.__doc__ or "")
    named = [line.split(":")[0].strip() for line in doc.splitlines() if "_: " in line]
    assert len(named) >= 8
    for name in named:
        getattr(classes, name)
