"""ONNX models made by skl2onnx: what they are fed, and which of their outputs become columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engine.errors import SpecError
from engine.scoring.foreign import Onnx
from engine.scoring.foreign.returned import Misfit, checked

pytest.importorskip("onnxruntime", reason="needs millrace[onnx]")
skl2onnx = pytest.importorskip("skl2onnx")
from skl2onnx.common import data_types  # noqa: E402

DRAW = np.random.default_rng(5)
FRAME = pl.DataFrame(
    {
        "a": DRAW.normal(size=200).astype(np.float32),
        "b": DRAW.normal(size=200).astype(np.float32),
        "n": DRAW.integers(0, 9, 200),
        "kind": DRAW.choice(["x", "y", "z"], 200),
    }
)
LABEL = np.where(FRAME["a"].to_numpy() + (FRAME["kind"] == "y").to_numpy() > 0.3, "yes", "no")
COLUMNS = {"label": pl.String(), "p": pl.Float32()}


def matrix() -> npt.NDArray[np.float32]:
    return FRAME.select("a", "b").to_numpy()


def written(folder: Path, model: Any, types: list[tuple[str, Any]], **options: Any) -> str:
    path = folder / "model.onnx"
    asked = {id(model): options} if options else None
    made = skl2onnx.convert_sklearn(model, initial_types=types, options=asked)
    path.write_bytes(made.SerializeToString())
    return str(path)


@pytest.fixture(scope="module")
def classifier() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(matrix(), LABEL)


FLOATS = [("features", data_types.FloatTensorType([None, 2]))]


def answered(onnx: Onnx, inputs: tuple[str, ...], frame: pl.DataFrame = FRAME) -> pl.DataFrame:
    loaded = onnx.load(inputs, tuple(COLUMNS), 1)
    return checked(loaded.call(frame.select(inputs)), COLUMNS, frame.height, "fail")


@pytest.mark.parametrize(
    ("options", "place"),
    [({"zipmap": False}, "probabilities[1]"), ({}, "output_probability[yes]")],
    ids=["matrix", "maps"],
)
def test_columns_are_one_matrix_and_any_output_is_a_column(
    tmp_path: Path, classifier: Any, options: dict[str, Any], place: str
) -> None:
    path = written(tmp_path, classifier, FLOATS, **options)
    label = "label" if options else "output_label"
    found = answered(Onnx(path, outputs={"label": label, "p": place}), ("a", "b"))
    assert found["label"].to_list() == classifier.predict(matrix()).tolist()
    assert np.allclose(found["p"], classifier.predict_proba(matrix())[:, 1], atol=1e-6)


def test_an_input_has_the_type_and_the_columns_that_the_model_says(tmp_path: Path) -> None:
    """Numbers, whole numbers and text, each input by the name of its column or by `tensors`."""
    columns = ColumnTransformer(
        [("one", OneHotEncoder(), ["kind"]), ("same", "passthrough", ["a", "n"])]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(FRAME.to_pandas(), LABEL)
    types = [
        ("kind", data_types.StringTensorType([None, 1])),
        ("a", data_types.FloatTensorType([None, 1])),
        ("n", data_types.Int64TensorType([None, 1])),
    ]
    path = written(tmp_path, model, types, zipmap=False)
    expected = model.predict_proba(FRAME.to_pandas())[:, 1]
    outputs = {"p": "probabilities[1]"}
    tensors = {"kind": ("kind",), "a": ("a",), "n": ("n",)}
    for onnx in (Onnx(path, outputs=outputs), Onnx(path, tensors, outputs)):
        found = answered(onnx, ("a", "n", "kind"))
        assert np.allclose(found["p"], expected, atol=1e-5)
    with pytest.raises(Misfit, match="missing values of int64; the column n"):
        empty = FRAME.with_columns(n=pl.lit(None, pl.Int64))
        answered(Onnx(path, outputs=outputs), ("a", "n", "kind"), empty)
    swapped = Onnx(path, {"kind": ("a",), "a": ("kind",), "n": ("n",)}, outputs)
    with pytest.raises(Misfit, match=r"where the column (a|kind) is"):
        answered(swapped, ("a", "n", "kind"))


def test_a_missing_number_is_nan(tmp_path: Path, classifier: Any) -> None:
    path = written(tmp_path, classifier, FLOATS, zipmap=False)
    onnx = Onnx(path, outputs={"p": "probabilities[1]"})
    with pytest.raises(Misfit, match="200 missing values"):
        answered(onnx, ("a", "b"), FRAME.with_columns(b=pl.lit(None, pl.Float64)))


def test_a_regression_has_one_output_of_one_column(tmp_path: Path) -> None:
    model = LinearRegression().fit(matrix(), FRAME["n"].to_numpy())
    path = written(tmp_path, model, FLOATS)
    loaded = Onnx(path).load(("a", "b"), ("variable",), 1)
    found = checked(loaded.call(FRAME), {"variable": pl.Float32()}, 200, "fail")
    assert np.allclose(found["variable"], model.predict(matrix()), atol=1e-5)


@pytest.mark.parametrize(
    ("onnx", "inputs", "told"),
    [
        (Onnx(""), ("a", "b"), "has no output p for the column p"),
        (Onnx(""), ("a", "b", "n"), "takes 2 columns in features, and is given 3"),
        (Onnx("", {"x": ("a", "b")}), ("a", "b"), "has the inputs features, and is given x"),
    ],
)
def test_a_model_that_does_not_fit_is_told(
    tmp_path: Path, classifier: Any, onnx: Onnx, inputs: tuple[str, ...], told: str
) -> None:
    path = written(tmp_path, classifier, FLOATS, zipmap=False)
    with pytest.raises(SpecError) as caught:
        Onnx(path, onnx.tensors, onnx.outputs).load(inputs, tuple(COLUMNS), 1)
    assert told in str(caught.value)


def test_a_column_of_an_output_that_is_not_there_is_told(tmp_path: Path, classifier: Any) -> None:
    path = written(tmp_path, classifier, FLOATS, zipmap=False)
    with pytest.raises(Misfit, match=r"probabilities of shape \(200, 2\), which has no \[2\]"):
        answered(Onnx(path, outputs={"p": "probabilities[2]"}), ("a", "b"))


def test_a_fixed_number_of_rows_is_told(tmp_path: Path, classifier: Any) -> None:
    fixed = [("features", data_types.FloatTensorType([1, 2]))]
    path = written(tmp_path, classifier, fixed, zipmap=False)
    with pytest.raises(SpecError, match="takes exactly 1 rows at once in features"):
        Onnx(path).load(("a", "b"), ("label",), 1)


@pytest.mark.parametrize("content", [b"", b"no model at all", None])
def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=r"cannot be (opened|read)"):
        Onnx(str(path)).load(("a",), ("label",), 1)


def test_a_network_exported_from_tensorflow_says_what_tensorflow_says() -> None:
    exported = Path(__file__).parent / "exported"
    told = json.loads((exported / "keras.json").read_text())
    names = ("a", "b", "c", "d")
    frame = pl.DataFrame(np.array(told["x"], np.float32), schema=names)
    columns = {"probability": pl.Float32()}
    loaded = Onnx(str(exported / "keras.onnx")).load(names, tuple(columns), 1)
    found = checked(loaded.call(frame), columns, frame.height, "fail")["probability"]
    np.testing.assert_allclose(found, told["probability"], rtol=1e-5)
    assert found.n_unique() > 10
