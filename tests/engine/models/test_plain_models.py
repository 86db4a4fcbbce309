"""Plain models say what the estimators say that they were taken from, and come back from files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.models import Learned, kept, restored
from engine.models.centres import Centres
from engine.models.linear import Linear
from engine.models.naive_bayes import GaussianBayes
from engine.models.projection import Projection

DRAW = np.random.default_rng(5)
X = (DRAW.normal(size=(300, 7)) * np.arange(1, 8) + 100).astype(np.float32)
WIDE = X.astype(np.float64)
Y = (WIDE @ DRAW.normal(size=7) > 1000 * DRAW.normal()).astype(float)

MODELS: tuple[Learned, ...] = (
    *(Linear(DRAW.normal(size=7) / 50, 0.1, link) for link in ("identity", "logit", "log")),
    Linear(DRAW.normal(size=7) / 50, 0.1, "clipped"),
    GaussianBayes(DRAW.normal(size=(3, 7)) + 100, DRAW.random((3, 7)) + 9, np.full(3, 1 / 3)),
    GaussianBayes(DRAW.normal(size=(2, 7)) + 100, DRAW.random((2, 7)) + 9, np.array([0.2, 0.8])),
    Centres(DRAW.normal(size=(4, 7)) + 100),
    Projection(DRAW.normal(size=(2, 7)), np.full(7, 100.0), np.array([1.0, 3.0])),
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_comes_back_from_files_to_the_bit(model: Learned) -> None:
    files = kept(model)
    assert set(files) == {"model.json", next(name for name in files if name != "model.json")}
    found = restored(files)
    assert type(found) is type(model)
    assert found.width == 7
    assert np.array_equal(found.predict(X), model.predict(X))
    assert kept(found) == files


@given(low=st.integers(0, 299), rows=st.integers(1, 40), columns_first=st.booleans())
def test_what_is_said_of_a_row_does_not_depend_on_its_neighbours(
    low: int, rows: int, columns_first: bool
) -> None:
    own = X[low : low + rows]
    own = np.asfortranarray(own) if columns_first else own
    for model in MODELS:
        assert np.array_equal(model.predict(own), model.predict(X)[low : low + rows])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_rows_of_another_width_are_refused(model: Learned) -> None:
    with pytest.raises(ModelError, match="fitted on 7 features, and the rows have 6"):
        model.predict(X[:, :6])


def test_a_missing_value_makes_a_missing_prediction() -> None:
    holey = X[:3].copy()
    holey[1, 2] = np.nan
    for model in (MODELS[0], MODELS[4], MODELS[7]):
        assert np.isnan(model.predict(holey)).reshape(3, -1).all(axis=1).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("name", "link", "method"),
    [
        ("LinearRegression", "identity", "predict"),
        ("LogisticRegression", "logit", "predict_proba"),
        ("PoissonRegression", "log", "predict"),
    ],
)
def test_linear_models_say_what_dask_ml_says(name: str, link: Any, method: str) -> None:
    estimator = getattr(pytest.importorskip("dask_ml.linear_model"), name)()
    estimator._coef = np.append(DRAW.normal(size=7) / 100, 0.3)
    said = getattr(estimator, method)(WIDE)
    said = said[:, 1] if said.ndim == 2 else said
    own = Linear(estimator._coef[:-1], estimator._coef[-1], link).predict(X)
    assert own == pytest.approx(said, rel=1e-12, abs=1e-15)


def test_naive_bayes_says_what_dask_ml_says() -> None:
    da = pytest.importorskip("dask.array")
    estimator = pytest.importorskip("dask_ml.naive_bayes").GaussianNB(classes=[0, 1, 2])
    model = MODELS[4]
    assert isinstance(model, GaussianBayes)
    estimator.theta_, estimator.sigma_ = model.theta, model.var
    estimator.class_prior_ = model.prior
    said = estimator.predict_proba(da.from_array(WIDE)).compute(scheduler="synchronous")
    assert model.predict(X) == pytest.approx(said, rel=1e-11, abs=1e-15)


def test_centres_say_what_dask_ml_says() -> None:
    da = pytest.importorskip("dask.array")
    estimator = pytest.importorskip("dask_ml.cluster").KMeans(4)
    model = MODELS[6]
    assert isinstance(model, Centres)
    estimator.cluster_centers_ = model.centres
    said = estimator.predict(da.from_array(WIDE)).compute(scheduler="synchronous")
    assert np.array_equal(model.predict(X)[:, 0], said)
    away = np.linalg.norm(WIDE[:, None] - model.centres, axis=2).min(axis=1)
    assert model.predict(X)[:, 1] == pytest.approx(away, rel=1e-12)


@pytest.mark.parametrize("whiten", [False, True])
def test_components_say_what_dask_ml_says(whiten: bool) -> None:
    da = pytest.importorskip("dask.array")
    estimator = pytest.importorskip("dask_ml.decomposition").PCA(2, whiten=whiten)
    estimator.power_iteration_normalizer = "auto"  # dask/dask-ml#1023
    x = da.from_array(WIDE, chunks=(100, 7))
    estimator.svd_solver = "full"
    estimator.fit(x)
    scale = np.sqrt(estimator.explained_variance_) if whiten else np.ones(2)
    model = Projection(estimator.components_, np.asarray(estimator.mean_), scale)
    assert model.outputs == 2
    assert model.predict(X) == pytest.approx(
        np.asarray(estimator.transform(x)), rel=1e-9, abs=1e-11
    )


def test_an_unknown_link_is_told() -> None:
    files = {**kept(MODELS[0])}
    files["linear.json"] = files["linear.json"].replace(b"identity", b"inverse")
    with pytest.raises(ModelError, match="unknown link: 'inverse'"):
        restored(files)
