"""scikit-learn models in files of skops: no code is loaded that was not named."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.errors import SpecError
from engine.scoring.foreign import Skops
from engine.scoring.foreign.returned import checked

io = pytest.importorskip("skops.io", reason="needs millrace[skops]")

DRAW = np.random.default_rng(6)
FRAME = pl.DataFrame(
    {"a": DRAW.normal(size=300), "b": DRAW.normal(size=300), "kind": DRAW.choice(["x", "y"], 300)}
)
PANDAS = FRAME.to_pandas()
NUMBERS = FRAME.select("a", "b").to_numpy()
TEXT = np.where(FRAME["a"].to_numpy() > 0.2, "yes", "no")
INPUTS = ("a", "b", "kind")


def written(folder: Path, model: Any) -> str:
    path = folder / "model.skops"
    io.dump(model, path)
    return str(path)


def mixed() -> Any:
    columns = ColumnTransformer(
        [("text", OneHotEncoder(), ["kind"]), ("number", StandardScaler(), ["a", "b"])]
    )
    return make_pipeline(columns, LogisticRegression())


def answered(path: str, inputs: tuple[str, ...], columns: dict[str, pl.DataType]) -> pl.DataFrame:
    loaded = Skops(path).load(inputs, tuple(columns), 1)
    return checked(loaded.call(FRAME.select(inputs)), columns, FRAME.height, "fail")


def test_a_pipeline_on_named_columns_gets_them_by_name(tmp_path: Path) -> None:
    model = mixed().fit(PANDAS, TEXT)
    columns = {
        "prediction": pl.String(),
        "probability": pl.Float64(),
        "probability_no": pl.Float64(),
    }
    found = answered(written(tmp_path, model), ("kind", "b", "a"), columns)  # in any order
    shares = model.predict_proba(PANDAS)
    assert found["prediction"].to_list() == model.predict(PANDAS).tolist()
    assert found["probability"].to_list() == shares[:, 1].tolist()
    assert found["probability_no"].to_list() == shares[:, 0].tolist()


def test_several_classes_have_a_probability_each(tmp_path: Path) -> None:
    label = np.digitize(NUMBERS[:, 0], [-0.5, 0.5]) * 10
    model = LogisticRegression().fit(NUMBERS, label)
    columns = {
        "prediction": pl.Int16(),
        "probability_0": pl.Float32(),
        "probability_20": pl.Float32(),
    }
    found = answered(written(tmp_path, model), ("a", "b"), columns)
    shares = model.predict_proba(NUMBERS).astype(np.float32)
    assert found["prediction"].to_list() == model.predict(NUMBERS).tolist()
    assert found["probability_20"].to_list() == shares[:, 2].tolist()


def test_a_model_of_a_matrix_gets_a_matrix(tmp_path: Path) -> None:
    model = LinearRegression().fit(NUMBERS, NUMBERS[:, 0] * 3)
    found = answered(written(tmp_path, model), ("a", "b"), {"prediction": pl.Float64()})
    assert found["prediction"].to_list() == model.predict(NUMBERS).tolist()


@pytest.mark.parametrize(
    ("inputs", "columns", "told"),
    [
        (("a", "b"), ("prediction",), "was fitted on a, b, kind, not on `inputs`"),
        (INPUTS, ("probability_maybe",), "it can make prediction, probability, probability_no"),
        (INPUTS, ("score",), "cannot make the column score"),
    ],
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, inputs: tuple[str, ...], columns: tuple[str, ...], told: str
) -> None:
    path = written(tmp_path, mixed().fit(PANDAS, TEXT))
    with pytest.raises(SpecError) as caught:
        Skops(path).load(inputs, columns, 1)
    assert told in str(caught.value)


def test_the_number_of_features_of_a_matrix_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, LinearRegression().fit(NUMBERS, NUMBERS[:, 0]))
    with pytest.raises(SpecError, match="was fitted on 2 features, and `inputs` has 1"):
        Skops(path).load(("a",), ("prediction",), 1)


class Twice(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A type that skops does not know."""

    def fit(self, x: Any, y: Any = None) -> Twice:
        return self

    def transform(self, x: Any) -> Any:
        return x * 2


def test_types_that_are_not_trusted_are_named_and_not_made(tmp_path: Path) -> None:
    model = make_pipeline(Twice(), LinearRegression()).fit(NUMBERS, NUMBERS[:, 0])
    path = written(tmp_path, model)
    (name,) = io.get_untrusted_types(file=path)
    with pytest.raises(SpecError) as caught:
        Skops(path).load(("a", "b"), ("prediction",), 1)
    assert f"(skops.io.get_untrusted_types): {name}" in caught.value.what
    assert caught.value.hint and f'trusted = ["{name}"]' in caught.value.hint
    loaded = Skops(path, (name,)).load(("a", "b"), ("prediction",), 1)
    found = loaded.call(FRAME.select("a", "b"))["prediction"]
    assert found.tolist() == model.predict(NUMBERS).tolist()


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.file, "w")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "model.skops", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Trap(str(mark))))
    with pytest.raises(SpecError, match="is no file of skops"):
        Skops(str(path)).load(("a",), ("prediction",), 1)
    assert not mark.exists()
