"""Estimators of the catalogue as scikit-learn estimators, on a real cluster."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from sklearn.base import clone, is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.errors import ContractRefused, ModelError, PlanRefused, SpecError
from engine.estimator import Classifier, Clusterer, OutlierDetector, Reducer, Regressor
from engine.learners import CATALOGUE, Estimator

ROWS = 900
FEATURES = ["a", "b", "c"]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


def table() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    group = draw.integers(0, 3, ROWS)
    frame = pd.DataFrame(
        {name: draw.normal(size=ROWS) + 5 * (group == i) for i, name in enumerate(FEATURES)}
    ).astype(np.float32)
    frame["value"] = frame["a"] - 2 * frame["b"] + draw.normal(size=ROWS) / 9
    frame["yes"] = np.where(frame["value"] > -3, "yes", "no")
    frame["group"] = np.array(["x", "y", "z"])[group]
    frame["w"] = draw.random(ROWS)
    return frame


def lazy(*columns: str) -> Any:
    return dd.from_pandas(table()[[*FEATURES, *columns]], npartitions=3)


def numbers() -> Any:
    return table()[FEATURES].to_numpy(np.float64)


def test_a_regression_on_a_sample_of_all_rows_is_that_of_scikit_learn(
    client: Client, tmp_path: Path
) -> None:
    rows = table()
    model = Regressor("sklearn.Ridge", alpha=3.0, scratch=str(tmp_path))
    model.fit(lazy("value", "w"), "value", sample_weight="w")
    assert not list(tmp_path.iterdir())
    theirs = Ridge(alpha=3.0, random_state=42)
    theirs.fit(numbers(), rows["value"], rows["w"])
    np.testing.assert_allclose(model.predict(rows), theirs.predict(numbers()), rtol=1e-5)
    np.testing.assert_allclose(model.estimator_.coef_, theirs.coef_, rtol=1e-4)
    assert model.feature_names_in_.tolist() == FEATURES
    assert is_regressor(model) and model.score(rows, rows["value"]) > 0.99


def test_classes_streamed_are_those_of_scikit_learn(client: Client) -> None:
    model = Classifier("sklearn.GaussianNB").fit(lazy("group"), "group")
    theirs = GaussianNB().fit(numbers(), table()["group"])
    shares = model.predict_proba(lazy("group"))
    assert isinstance(shares, dd.DataFrame)
    assert list(shares.columns) == ["probability_x", "probability_y", "probability_z"]
    np.testing.assert_allclose(shares.compute(), theirs.predict_proba(numbers()), atol=1e-6)
    assert (model.predict(lazy()).compute() == theirs.predict(numbers())).all()
    assert is_classifier(model) and model.classes_.tolist() == ["x", "y", "z"]


def test_passes_over_all_rows_find_the_optimum_of_scikit_learn(client: Client) -> None:
    model = Classifier("dask_ml.LogisticRegression", C=0.1, max_iter=200, tol=1e-8)
    model.fit(lazy("yes"), "yes")
    theirs = LogisticRegression(C=0.1, tol=1e-8).fit(numbers(), table()["yes"])
    expected = theirs.predict_proba(numbers())
    np.testing.assert_allclose(model.predict_proba(table()), expected, atol=1e-3)
    assert model.history_ and model.facts_["passes"] > 1


def test_clusters_need_no_labels_and_leave_out_their_column(client: Client) -> None:
    model = Clusterer("dask_ml.KMeans", n_clusters=3).fit(lazy("group"), "group")
    assert model.n_features_in_ == 3
    theirs = KMeans(3, n_init=5, random_state=0).fit(numbers())
    found = model.predict(lazy()).compute().to_numpy()
    assert len({*zip(found, theirs.labels_, strict=True)}) == 3
    away = np.sqrt((model.distance(table()) ** 2).sum())
    assert away == pytest.approx(np.sqrt(theirs.inertia_), rel=1e-3)
    assert is_clusterer(model)


def test_components_are_those_of_scikit_learn(client: Client) -> None:
    model = Reducer("dask_ml.PCA", n_components=2).fit(lazy())
    theirs = PCA(2, svd_solver="full").fit_transform(numbers())
    found = model.transform(lazy())
    assert list(found.columns) == model.get_feature_names_out().tolist()
    np.testing.assert_allclose(np.abs(found.compute()), np.abs(theirs), atol=1e-4)


def test_odd_rows_are_found(client: Client) -> None:
    model = OutlierDetector("sklearn.IsolationForest", n_estimators=20).fit(lazy())
    odd = pd.DataFrame({name: [50.0, 1.0] for name in FEATURES})
    assert model.predict(odd).tolist() == [-1, 1]
    assert np.sign(model.decision_function(odd)).tolist() == [-1, 1]
    assert is_outlier_detector(model)


def test_a_data_set_and_a_frame_give_the_model_of_the_dask_frame(
    client: Client, tmp_path: Path
) -> None:
    rows = table()[[*FEATURES, "value"]]
    rows.to_parquet(tmp_path / "rows.parquet")
    asked = Regressor("sklearn.Ridge", sample_rows=200, client=client)
    expected = asked.fit(lazy("value"), "value").predict(rows)
    assert asked.notes_ == ["trained on a sample of 200 of 900 rows"]
    stored = clone(asked).fit(str(tmp_path / "*.parquet"), "value")
    held = clone(asked).fit(rows, "value")
    np.testing.assert_array_equal(held.predict(rows), expected)
    np.testing.assert_array_equal(stored.predict(rows), expected)


def test_epochs_end_by_what_validation_rows_say(client: Client) -> None:
    rows = table()
    model = Classifier("sklearn.SGDClassifier", loss="log_loss", epochs=30, patience=1)
    model.fit(lazy("yes"), "yes", eval_set=[(rows[[*FEATURES, "yes"]], "yes")])
    assert 1 < len(model.history_) < 30 and "log_loss" in model.history_[0]


def test_classes_are_weighed(client: Client) -> None:
    heavy = Classifier("sklearn.SGDClassifier", class_weight={"no": 50.0, "yes": 1.0})
    even = Classifier("sklearn.SGDClassifier")
    said = [(one.fit(lazy("yes"), "yes").predict(table()) == "no").sum() for one in (heavy, even)]
    assert said[0] > said[1]
    with pytest.raises(SpecError, match="weights"):
        Classifier("dask_ml.GaussianNB", class_weight="balanced").fit(lazy("yes"), "yes")


def test_what_does_not_fit_in_a_worker_is_refused_before_it_learns(client: Client) -> None:
    wide = np.random.default_rng(0).random((12_000, 1))
    with pytest.raises(PlanRefused, match=r"12,000 rows would take"):
        Clusterer("sklearn.AgglomerativeClustering", client=client).fit(wide)
    with pytest.raises(PlanRefused, match="step 'fit' needs"):
        huge = Regressor("sklearn.MLPRegressor", hidden_layer_sizes=(4_000, 4_000))
        huge.fit(lazy("value"), "value")


def test_missing_values_are_refused_with_the_feature(client: Client) -> None:
    frame = lazy("yes").assign(b=lambda one: one["b"].where(one["b"] > 0))
    with pytest.raises(ContractRefused, match="'b' has missing values"):
        Classifier("sklearn.SGDClassifier").fit(frame, "yes")


def test_three_classes_are_too_many_for_some(client: Client) -> None:
    with pytest.raises(SpecError, match="for two classes, and y has 3"):
        Classifier("dask_ml.LogisticRegression").fit(lazy("group"), "group")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Regressor("sklearn.Rigde"), "did you mean 'sklearn.Ridge'"),
        (Regressor("sklearn.KMeans"), "is for clustering"),
        (Regressor("lightgbm"), "take LGBMClassifier"),
        (Regressor("sklearn.Ridge", alhpa=1), "did you mean alpha"),
        (Classifier("sklearn.SGDClassifier", epochs=0), "whole number from 1"),
    ],
    ids=lambda one: getattr(one, "learner", None),
)
def test_what_cannot_be_is_refused_before_a_row_is_read(model: Any, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        model.fit("nowhere/*.parquet", "value")
    assert says in f"{caught.value.what} {caught.value.hint}"


def test_arguments_are_copied_set_and_searched(client: Client) -> None:
    model = Regressor("sklearn.Ridge", alpha=2.0, client=client).set_params(alpha=3, sample_rows=9)
    for one in (clone(model), pickle.loads(pickle.dumps(Regressor("sklearn.Ridge", alpha=3)))):
        assert one.get_params()["alpha"] == 3 and one.learner == "sklearn.Ridge"
    assert clone(model).client is client and clone(model).sample_rows == 9
    found = cross_val_score(model.set_params(sample_rows=999), numbers(), table()["value"], cv=2)
    assert found.min() > 0.99


def test_rows_in_memory_need_no_cluster() -> None:
    model = Reducer("sklearn.IncrementalPCA", n_components=2)
    assert model.fit_transform(numbers()).shape == (ROWS, 2)


TASKS = {
    "binary": (Classifier, "yes"),
    "multiclass": (Classifier, "group"),
    "regression": (Regressor, "value"),
    "clustering": (Clusterer, None),
    "anomaly": (OutlierDetector, None),
    "reduction": (Reducer, None),
}
MORE: dict[str, Any] = {"sklearn.MLPRegressor": {"epochs": 60, "learning_rate_init": 0.1}}
LEARNERS = [one for one in CATALOGUE.values() if one.way not in ("boosting", "members")]


@pytest.mark.long
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_every_learner_is_fitted_saved_and_loaded(
    client: Client, learner: Estimator, tmp_path: Path
) -> None:
    rows = table()
    counts = [*FEATURES, "value"]
    rows[counts] -= rows[counts].min()  # for naive Bayes, and for Poisson
    for task in learner.tasks:
        kind, label = TASKS[task]
        frame = dd.from_pandas(rows[[*FEATURES, *([label] if label else [])]], npartitions=3)
        model = kind(learner.name, **MORE.get(learner.name, {})).fit(frame, label)
        says = model.transform if task == "reduction" else model.predict
        found = says(rows)
        assert len(found) == ROWS and (label is None or model.score(rows, rows[label]) > 0.3)
        model.save(tmp_path / task)
        back = kind.load(tmp_path / task)
        again = back.transform if task == "reduction" else back.predict
        np.testing.assert_array_equal(again(rows), found)


def test_a_model_of_another_class_is_not_loaded(client: Client, tmp_path: Path) -> None:
    Regressor("sklearn.Ridge").fit(lazy("value"), "value").save(tmp_path / "model")
    with pytest.raises(ModelError, match="no Classifier but a Regressor"):
        Classifier.load(tmp_path / "model")
    with pytest.raises(ModelError, match="no version"):
        Regressor.load(f"{tmp_path}/model@2")
