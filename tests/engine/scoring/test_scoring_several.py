"""Several models over the same rows: their columns, their mean, and a model of their columns."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import SpecError
from engine.scoring import Asked, Bundled, Mean, Model, Several, Stacked, predictions
from tests.engine.scoring.small_models import small_bundle

CLASSES = ("no", "perhaps", "yes")


@dataclass(frozen=True)
class Given:
    """A model whose scores are columns of the rows."""

    task: str
    inputs: tuple[str, ...]
    classes: tuple[str, ...] = ()
    digest: str = "given"

    @property
    def columns(self) -> dict[str, pl.DataType]:
        return dict(
            pl.DataFrame(
                self.predict(pl.DataFrame(schema=dict.fromkeys(self.inputs, pl.Float64)))
            ).schema
        )

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        scores = rows.select(self.inputs).to_numpy()
        scores = scores if self.task == "multiclass" else scores[:, 0]
        return predictions(self.task, scores, 0.5, self.classes)


def frame(model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """Predict, and hold the model to what it says of itself."""
    found = pl.DataFrame(model.predict(rows))
    assert dict(found.schema) == model.columns and found.height == rows.height
    return found


def test_columns_carry_the_name_of_their_model_in_the_order_of_the_models() -> None:
    models = {"b": Given("binary", ("p", "q")), "a": Given("regression", ("q", "r"))}
    several = Several(models)
    assert several.inputs == ("p", "q", "r")
    found = frame(several, pl.DataFrame({"p": [0.2, 0.6], "q": [3.0, 4.0], "r": [0.0, 0.0]}))
    assert found.to_dict(as_series=False) == {
        "prediction_b": [0, 1],
        "probability_b": [np.float32(0.2), np.float32(0.6)],
        "prediction_a": [3.0, 4.0],
    }


def test_the_mean_is_that_of_the_columns_as_they_are_written() -> None:
    models = {"a": Given("binary", ("p",)), "b": Given("binary", ("q",))}
    mean = Mean({"a": 2.0, "b": 1.0}, "binary", threshold=0.4)
    rows = pl.DataFrame({"p": [0.1, 0.7, 0.35], "q": [0.3, 0.1, 0.55]})
    found = frame(Several(models, mean), rows)
    p, q = (found[f"probability_{name}"].to_numpy().astype(np.float64) for name in "ab")
    assert found["probability"].to_list() == ((2 * p + q) / 3).astype(np.float32).tolist()
    assert found["prediction"].to_list() == [0, 1, 1]  # 0.17, 0.5, 0.417
    assert found.columns[-2:] == ["prediction", "probability"]


def test_the_mean_of_several_classes_chooses_the_most_probable() -> None:
    models = {
        "a": Given("multiclass", ("a0", "a1", "a2"), CLASSES),
        "b": Given("multiclass", ("b0", "b1", "b2"), CLASSES),
    }
    mean = Mean({"a": 1.0, "b": 1.0}, "multiclass", CLASSES)
    rows = {"a0": [0.5], "a1": [0.1], "a2": [0.4], "b0": [0.1], "b1": [0.45], "b2": [0.45]}
    found = frame(Several(models, mean), pl.DataFrame(rows))
    assert found["prediction_a"].item() == "no" and found["prediction_b"].item() == "perhaps"
    assert found["prediction"].item() == "yes"
    shares = found.select(f"probability_{name}" for name in CLASSES).row(0)
    assert shares == pytest.approx((0.3, 0.275, 0.425))


def test_the_mean_of_numbers() -> None:
    models = {"a": Given("regression", ("p",)), "b": Given("regression", ("q",))}
    several = Several(models, Mean({"a": 1.0, "b": 3.0}, "regression"))
    found = frame(several, pl.DataFrame({"p": [4.0, 0.0], "q": [0.0, 8.0]}))
    assert found["prediction"].to_list() == [1.0, 6.0]


def test_a_stack_reads_what_the_others_add_in_the_type_that_it_knows() -> None:
    models = {"a": Given("binary", ("p",)), "b": Given("regression", ("q",))}

    @dataclass(frozen=True)
    class Adds(Given):
        def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
            if rows.height:
                assert dict(rows.select(self.inputs).schema) == {
                    "probability_a": pl.Float64(),
                    "prediction_b": pl.Float32(),
                    "x": pl.Float64(),
                }
            return [
                rows.select(pl.sum_horizontal(self.inputs))
                .to_series()
                .alias("prediction")
                .cast(pl.Float32)
            ]

    stack = Adds("regression", ("probability_a", "prediction_b", "x"))
    kinds = {"probability_a": pl.Float64(), "prediction_b": pl.Float32()}
    several = Several(models, Stacked(stack, kinds))
    assert several.inputs == ("p", "q", "x")
    # Data that have a column of that name do not stand in for the model.
    rows = {"p": [0.25, 0.5], "q": [1.0, 2.0], "x": [10.0, 20.0], "probability_a": [99.0, 99.0]}
    found = frame(several, pl.DataFrame(rows))
    assert found["prediction"].to_list() == [11.25, 22.5]


def test_two_columns_of_one_name_are_refused() -> None:
    classes = {
        "b": Given("multiclass", ("p", "q"), ("no", "yes")),
        "yes_b": Given("binary", ("p",)),
    }
    with pytest.raises(SpecError, match="'probability_yes_b'"):
        Several(classes)
    named_after_class = {
        "yes": Given("binary", ("p",)),
        "a": Given("multiclass", ("p", "q"), ("no", "yes")),
    }
    stack = Stacked(Given("multiclass", ("p", "q"), ("no", "yes")), {})
    with pytest.raises(SpecError, match="'probability_yes'"):
        Several(named_after_class, stack)


def test_a_digest_says_all_that_decides_the_columns() -> None:
    a, b = Given("binary", ("p",), digest="a"), Given("binary", ("p",), digest="b")
    mean = Mean({"x": 1.0, "y": 1.0}, "binary")
    every = [
        Several({"x": a, "y": b}),
        Several({"x": b, "y": a}),
        Several({"y": b, "x": a}),
        Several({"x": a, "z": b}),
        Several({"x": a, "y": b}, mean),
        Several({"x": a, "y": b}, replace(mean, threshold=0.4)),
        Several({"x": a, "y": b}, replace(mean, weights={"x": 1.0, "y": 2.0})),
        Several({"x": a, "y": b}, Stacked(a, {})),
    ]
    assert len({one.digest for one in every}) == len(every)
    assert pickle.loads(pickle.dumps(every[4])).digest == every[4].digest


@lru_cache
def trees(task: str, combination: str) -> Several:
    """Return two models of trees, and their mean or a stack over them."""
    classes = CLASSES if task == "multiclass" else None
    models = {
        name: Bundled(small_bundle(task, features, seed=seed, classes=classes), Asked())
        for seed, (name, features) in enumerate({"a": ("x", "y"), "b": ("y", "z")}.items())
    }
    if combination == "mean":
        return Several(models, Mean({"a": 0.3, "b": 0.7}, task, classes or ()))
    reads = [f"{column}_{name}" for name in "ab" for column in list(models["a"].columns)[1:]]
    stack = small_bundle("binary", [*reads, "z"], seed=7)
    return Several(models, Stacked(Bundled(stack, Asked()), dict.fromkeys(reads, pl.Float64())))


SOME = pl.DataFrame(
    {name: np.random.default_rng(at).normal(size=60) for at, name in enumerate("xyz")}
).with_columns(x=pl.when(pl.int_range(60) % 7 > 0).then("x"))


@pytest.mark.parametrize(
    ("task", "combination"), [("binary", "mean"), ("multiclass", "mean"), ("binary", "stack")]
)
@settings(deadline=None, max_examples=25)
@given(cuts=st.sets(st.integers(0, 60), max_size=6))
def test_rows_have_the_same_columns_however_they_are_cut(
    task: str, combination: str, cuts: set[int]
) -> None:
    several = trees(task, combination)
    edges = sorted({0, 60, *cuts})
    pieces = [frame(several, SOME[low:high]) for low, high in pairwise(edges)]
    assert_frame_equal(pl.concat(pieces), frame(several, SOME), check_exact=True)


@pytest.mark.parametrize(("task", "combination"), [("multiclass", "mean"), ("binary", "stack")])
def test_no_rows(task: str, combination: str) -> None:
    frame(trees(task, combination), SOME.clear())


def test_each_model_says_what_it_says_alone() -> None:
    several = trees("binary", "stack")
    found = frame(several, SOME)
    alone: Mapping[str, Model] = several.models
    for name, model in alone.items():
        for one in model.predict(SOME):
            assert found[f"{one.name}_{name}"].equals(one)
    assert not found["probability_a"].equals(found["probability_b"])
