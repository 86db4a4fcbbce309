"""Models of XGBoost in its own text format."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.errors import SpecError
from engine.scoring.foreign import Isolated, Xgboost
from engine.scoring.foreign.returned import checked

xgboost = pytest.importorskip("xgboost", reason="needs millrace[xgboost]")

DRAW = np.random.default_rng(6)
X = DRAW.normal(size=(500, 3)).astype(np.float32)
X[DRAW.random((500, 3)) < 0.1] = np.nan
NAMES = ["a", "b", "c"]
FRAME = pl.DataFrame(X, schema=NAMES).fill_nan(None)
WILD = np.nan_to_num(X[:, 0]) + 0.5 * np.nan_to_num(X[:, 1])


def trained(objective: str, y: Any, names: list[str] | None = None, **params: Any) -> Any:
    rows = xgboost.DMatrix(X, y, feature_names=names)
    held = [(rows, "valid")] if "early_stopping_rounds" in params else []
    stop = params.pop("early_stopping_rounds", None)
    settings = {"objective": objective, "nthread": 1, "max_depth": 3, **params}
    return xgboost.train(
        settings, rows, 15, evals=held, early_stopping_rounds=stop, verbose_eval=False
    )


def written(folder: Path, booster: Any, name: str = "model.json") -> str:
    booster.save_model(folder / name)
    return str(folder / name)


def answered(path: str, inputs: tuple[str, ...], *columns: str) -> pl.DataFrame:
    types: dict[str, pl.DataType] = {name: pl.Float32() for name in columns}
    types |= {"prediction": pl.Float64()} if "prediction" in columns else {}
    loaded = Xgboost(path).load(inputs, columns, 1)
    return checked(loaded.call(FRAME.select(inputs)), types, FRAME.height, "fail")


@pytest.mark.parametrize("name", ["model.json", "model.ubj"])
def test_probabilities_are_those_of_xgboost(tmp_path: Path, name: str) -> None:
    booster = trained("binary:logistic", WILD > 0, NAMES)
    said = booster.predict(xgboost.DMatrix(X, feature_names=NAMES))
    found = answered(
        written(tmp_path, booster, name), ("c", "a", "b"), "probability", "prediction"
    )  # in any order: the booster knows the names
    assert found["probability"].to_numpy().tobytes() == said.tobytes()
    assert found["prediction"].to_list() == (said > 0.5).astype(float).tolist()


def test_classes_and_numbers(tmp_path: Path) -> None:
    booster = trained("multi:softprob", np.digitize(WILD, [-0.5, 0.5]), num_class=3)
    said = booster.predict(xgboost.DMatrix(X))
    path = written(tmp_path, booster)
    found = answered(path, ("a", "b", "c"), "prediction", "probability_0", "probability_2")
    assert found["probability_2"].to_numpy().tobytes() == said[:, 2].tobytes()
    assert found["prediction"].to_list() == said.argmax(axis=1).astype(float).tolist()
    other = trained("reg:squarederror", WILD)
    number = answered(written(tmp_path, other, "n.json"), ("a", "b", "c"), "prediction")
    np.testing.assert_array_equal(
        number["prediction"].to_numpy().astype(np.float32), other.predict(xgboost.DMatrix(X))
    )


def test_rounds_after_the_best_are_left_out(tmp_path: Path) -> None:
    noise = DRAW.random(500) < 0.5
    booster = trained(
        "binary:logistic", noise, early_stopping_rounds=2, learning_rate=3.0, reg_lambda=0.0
    )
    best = booster.best_iteration + 1
    assert best < booster.num_boosted_rounds()
    said = booster.predict(xgboost.DMatrix(X), iteration_range=(0, best))
    found = answered(written(tmp_path, booster), ("a", "b", "c"), "probability")
    assert found["probability"].to_numpy().tobytes() == said.tobytes()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, trained("binary:logistic", WILD > 0, NAMES))
    with pytest.raises(SpecError, match="trained on a, b, c") as caught:
        Xgboost(path).load(("a", "b", "d"), ("prediction",), 1)
    assert 'inputs = ["a", "b", "c"]' in str(caught.value)
    with pytest.raises(SpecError, match="cannot make the column probability_1"):
        Xgboost(path).load(("a", "b", "c"), ("probability_1",), 1)
    unnamed = written(tmp_path, trained("reg:squarederror", WILD), "unnamed.json")
    with pytest.raises(SpecError, match="trained on 3 features, and `inputs` has 2"):
        Xgboost(unnamed).load(("a", "b"), ("prediction",), 1)


@pytest.mark.parametrize("data", [b"", pickle.dumps([1]), b"binf" + b"\0" * 50])
def test_another_file_is_refused_before_xgboost_reads_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.json").write_bytes(data)
    with pytest.raises(SpecError, match="no model of XGBoost"):
        Xgboost(str(tmp_path / "model.json")).load(("a",), ("prediction",), 1)


def test_a_damaged_file_ends_the_process_of_the_model_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for data in (b"{}", b'{"learner": 3}'):  # XGBoost 3.2 aborts on both
        path.write_bytes(data)
        with pytest.raises(SpecError, match="XGBoost"):
            Isolated(Xgboost(str(path)), ("a",), {"prediction": pl.Float32()}).opened()
