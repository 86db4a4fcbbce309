"""What a bundle can be asked beside its prediction: raw scores, leaves, contributions."""

from __future__ import annotations

from typing import Any, Literal

import lightgbm
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bundle import Bundle
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.models import Trees
from engine.scoring import Asked, Bundled
from engine.scoring.explained import _largest, explained_columns

NAMES = ("delay", "hour", "wind")


def rows(n: int) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return pl.DataFrame(x, schema=list(NAMES))


def bundle(task: str, names: tuple[str, ...] = NAMES) -> tuple[Bundle, lightgbm.Booster]:
    """Train on three features; classes of a multiclass model are text."""
    x = rows(500).to_numpy()
    signal = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) * 2
    y: Any = {"regression": signal, "binary": signal > 0}.get(task, np.digitize(signal, [-1, 1]))
    options = {"objective": task, "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    options |= {"num_class": 3} if task == "multiclass" else {}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), 5)
    pipeline = FittedPipeline({}, (), names, names)
    classes = ("a", "b", "c") if task == "multiclass" else None
    text = booster.model_to_string()
    return Bundle(Trees(text), pipeline, {}, {}, task, "y", {}, {}, classes=classes), booster


ALL = Asked(raw=True, leaves=True, explain="all")


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("explain", ["all", 2, None])
def test_columns_are_told_beforehand_and_are_there_without_rows(
    task: str, explain: Literal["all"] | int | None
) -> None:
    model = Bundled(bundle(task)[0], Asked(raw=True, leaves=True, explain=explain))
    for n in (40, 1, 0):
        table = pl.DataFrame(model.predict(rows(n)))
        assert dict(table.schema) == model.columns and table.height == n


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_answers_are_those_of_lightgbm(task: str) -> None:
    (made, booster), data = bundle(task), rows(40)
    table, x = pl.DataFrame(Bundled(made, ALL).predict(data)), data.to_numpy()
    raw = np.asarray(booster.predict(x, raw_score=True)).reshape(40, -1)
    names = ["raw_a", "raw_b", "raw_c"] if task == "multiclass" else ["raw"]
    assert table.select(names).to_numpy().tobytes() == np.ascontiguousarray(raw).tobytes()
    leaves = np.asarray(booster.predict(x, pred_leaf=True)).reshape(40, -1)
    assert table["leaves"].to_list() == leaves.tolist()
    told = np.asarray(booster.predict(x, pred_contrib=True)).reshape(40, -1, 4)
    said = raw.argmax(axis=1) if task == "multiclass" else np.zeros(40, int)
    wanted = [f"contribution_{name}" for name in (*NAMES, "base")]
    found = table.select(wanted).to_numpy()
    np.testing.assert_allclose(found, told[np.arange(40), said], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), raw[np.arange(40), said], atol=1e-5)


def test_the_largest_contributions_are_named_as_features() -> None:
    (made, booster), data = bundle("binary"), rows(40)
    table = pl.DataFrame(Bundled(made, Asked(explain=2)).predict(data))
    told = np.asarray(booster.predict(data.to_numpy(), pred_contrib=True))[:, :3]
    order = np.argsort(-np.abs(told), axis=1, kind="stable")
    for place in (1, 2):
        chosen = order[:, place - 1]
        assert table[f"reason_{place}"].to_list() == [NAMES[i] for i in chosen]
        np.testing.assert_allclose(
            table[f"reason_{place}_contribution"], told[np.arange(40), chosen], rtol=1e-6
        )


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, -2.0]), min_size=6, max_size=6), min_size=1
    ),
    st.integers(1, 6),
)
def test_of_equal_contributions_the_earlier_feature_comes_first(
    values: list[list[float]], count: int
) -> None:
    found = _largest(np.array(values), count)
    expected = np.argsort(-np.abs(np.array(values)), axis=1, kind="stable")[:, :count].T
    assert np.array_equal(found, expected)


def test_more_reasons_than_features_and_names_that_clash_are_refused() -> None:
    with pytest.raises(SpecError, match="3 features") as told:
        _ = Bundled(bundle("binary")[0], Asked(explain=4)).columns
    assert "score.explain" in str(told.value)
    with pytest.raises(SpecError, match="contribution_base"):
        explained_columns("all", ["base", "x"])
    assert "reason_1" in explained_columns(1, ["base", "x"])


def test_the_prediction_is_the_same_whatever_else_is_asked() -> None:
    made, _ = bundle("binary")
    plain, more = (pl.DataFrame(Bundled(made, one).predict(rows(30))) for one in (Asked(), ALL))
    assert more.select(plain.columns).equals(plain)
