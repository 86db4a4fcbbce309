"""Estimators as bundles: what is saved is what a job writes, and comes back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from estimator_tables import only, table

from engine.bundle import Bundle
from engine.errors import ModelError, SpecError
from engine.estimator import LGBMClassifier, LGBMRegressor
from engine.registry import open_model
from engine.scoring.asked import Asked
from engine.scoring.bundled import Bundled

FEW: dict[str, Any] = {"n_estimators": 5, "num_leaves": 7, "n_jobs": 1}


@pytest.fixture(scope="module")
def fitted() -> LGBMClassifier:
    model = LGBMClassifier(**FEW, class_weight={"no": 2.0, "yes": 1.0}, min_data_in_leaf=5)
    rows = only("yes")
    return model.fit(rows, "yes", categorical_feature=["b", "t"], eval_set=[(rows[:200], "yes")])


@pytest.fixture(scope="module")
def bundle(fitted: LGBMClassifier, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_model(str(fitted.save(tmp_path_factory.mktemp("model") / "m").parent))[1]


def test_an_estimator_comes_back_as_it_was(fitted: LGBMClassifier, tmp_path: Path) -> None:
    assert fitted.save(tmp_path / "m") == tmp_path / "m/v1"
    assert fitted.save(str(tmp_path / "m")) == tmp_path / "m/v2"
    back = LGBMClassifier.load(tmp_path / "m")
    assert back.get_params() == fitted.get_params()
    assert (back.classes_ == fitted.classes_).all() and back.categories_ == fitted.categories_
    assert back.evals_result_ == fitted.evals_result_ and back.model_ == fitted.model_
    np.testing.assert_array_equal(back.predict_proba(table()), fitted.predict_proba(table()))
    np.testing.assert_array_equal(back.feature_importances_, fitted.feature_importances_)


def test_nothing_of_it_is_a_pickle(fitted: LGBMClassifier, tmp_path: Path) -> None:
    kinds = {file.suffix for file in fitted.save(tmp_path / "m").iterdir()}
    assert kinds <= {".json", ".arrow", ".txt"}


def test_a_job_scores_it_to_the_same_bits(fitted: LGBMClassifier, bundle: Bundle) -> None:
    rows = table()
    rows["t"] = rows["t"].where(rows["t"] != "k3", "unseen")
    rows["c"] = rows["c"].astype(str)
    rows.loc[:50, "b"] = -1  # no code
    shares = fitted.predict_proba(rows)[:, 1]
    said = Bundled(bundle, Asked()).predict(pl.from_pandas(rows))
    assert (said[0].to_numpy() == fitted.predict(rows)).all()
    np.testing.assert_array_equal(said[1].to_numpy(), shares.astype(np.float32))
    assert bundle.types == {
        **{"a": "float64", "b": "int64", "c": "string", "t": "string", "flag": "bool"}
    }


def test_classes_of_an_array_keep_their_type(tmp_path: Path) -> None:
    x = np.arange(200.0).reshape(-1, 1)
    model = LGBMClassifier(**FEW).fit(x, x[:, 0] > 90)
    model.save(tmp_path / "m")
    back = LGBMClassifier.load(tmp_path / "m")
    assert back.predict(x).dtype == bool and (back.predict(x) == model.predict(x)).all()


def test_what_is_no_plain_data_is_refused(tmp_path: Path) -> None:
    x = np.arange(200.0).reshape(-1, 1)
    model = LGBMRegressor(**FEW, random_state=np.random.default_rng(1)).fit(x, x[:, 0])
    with pytest.raises(SpecError, match="random_state is a Generator"):
        model.save(tmp_path / "m")
    with pytest.raises(ModelError, match="no model here"):
        LGBMRegressor.load(tmp_path / "m")
