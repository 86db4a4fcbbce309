"""The columns that scoring adds, for every task: names, types and values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from engine.classes import Class
from engine.scoring import prediction_columns, predictions

LOGITS = np.array([-0.2, 0.0, 1.7])
SHARES = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.1, 0.1, 0.8]])
TEXT = ("no", "perhaps", "ja, ü")


@pytest.mark.parametrize("task", ["regression", "ranking"])
def test_a_number_is_written_as_it_is(task: str) -> None:
    (found,) = predictions(task, LOGITS)
    assert found.name == "prediction" and found.dtype == pl.Float32
    assert found.to_list() == LOGITS.astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("classes", "expected", "dtype"),
    [
        ((), [0, 0, 1], pl.Int8),
        ((False, True), [False, False, True], pl.Boolean),
        (("no", "yes"), ["no", "no", "yes"], pl.String),
        ((3, 7), [3, 3, 7], pl.Int64),
    ],
)
def test_two_classes_and_the_probability_of_the_second(
    classes: tuple[Class, ...], expected: list[object], dtype: type[pl.DataType]
) -> None:
    p = np.array([0.2, 0.6, 0.61])  # a probability equal to the threshold is not above it
    label, probability = predictions("binary", p, 0.6, classes)
    assert (label.to_list(), label.dtype) == (expected, dtype)
    assert (probability.name, probability.dtype) == ("probability", pl.Float32)
    assert probability.to_list() == p.astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("classes", "expected", "names"),
    [
        (TEXT, ["perhaps", "no", "ja, ü"], ["no", "perhaps", "ja, ü"]),
        ((-1, 0, 12), [0, -1, 12], ["-1", "0", "12"]),
    ],
)
def test_the_most_probable_class_and_all_probabilities(
    classes: tuple[Class, ...], expected: list[object], names: list[str]
) -> None:
    label, *shares = predictions("multiclass", SHARES, classes=classes)
    assert label.to_list() == expected  # the first of equals
    assert [one.name for one in shares] == [f"probability_{name}" for name in names]
    assert np.array_equal(np.column_stack(shares), SHARES.astype(np.float32))


def test_classes_that_are_true_and_false() -> None:
    label, *shares = predictions("multiclass", SHARES[:, :2], classes=(False, True))
    assert label.to_list() == [True, False, False]
    assert [one.name for one in shares] == ["probability_false", "probability_true"]


@pytest.mark.parametrize(
    ("task", "classes", "scores"),
    [
        ("binary", (), LOGITS),
        ("binary", ("a", "b"), LOGITS),
        ("multiclass", TEXT, SHARES),
        ("multiclass", (4, 5, 6), SHARES),
        ("regression", (), LOGITS),
        ("ranking", (), LOGITS),
    ],
)
def test_columns_are_told_beforehand_and_are_there_without_rows(
    task: str, classes: tuple[Class, ...], scores: npt.NDArray[np.float64]
) -> None:
    told = prediction_columns(task, classes)
    for rows in (len(scores), 0):
        table = pl.DataFrame(predictions(task, scores[:rows], 0.5, classes))
        assert dict(table.schema) == told and table.height == rows
