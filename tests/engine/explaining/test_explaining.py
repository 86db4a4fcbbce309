from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bundle import Bundle
from engine.explaining.contributions import Shap, contributed, shap
from engine.explaining.dependence import dependence
from engine.explaining.drawn import Drawn
from engine.explaining.permutation import drops, measured
from engine.features.fitted import FittedPipeline
from engine.metrics import Measure
from engine.models import Trees

ROWS, FEATURES = 400, 4


def table(seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return rows whose label hangs on the first feature much, on the second little."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(ROWS, FEATURES)).astype(np.float32)
    x[:, 3] = random.integers(0, 6, ROWS)
    y = (x[:, 0] + 0.4 * x[:, 1] + 0.2 * random.normal(size=ROWS) > 0).astype(np.float32)
    return x, y


@cache
def bundle(task: str = "binary") -> Bundle:
    x, y = table()
    label = np.digitize(x[:, 0], [-0.5, 0.5]) if task == "multiclass" else y
    params: dict[str, Any] = {"objective": task, "verbosity": -1, "num_threads": 1, "seed": 1}
    params |= {"num_class": 3} if task == "multiclass" else {}
    names = [f"f{i}" for i in range(FEATURES)]
    data = lightgbm.Dataset(x, label, feature_name=names, categorical_feature=[3])
    text = lightgbm.train(params, data, 20).model_to_string()
    columns = ("a", "b", "c", "d")
    pipeline = FittedPipeline({}, (), columns, columns)
    classes = ("l", "m", "h") if task == "multiclass" else None
    return Bundle(Trees(text), pipeline, {}, {}, task, "y", {}, {}, task, classes)


@pytest.fixture(autouse=True)
def by_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict by LightGBM itself: compiling the fast kernels is not tested here."""

    def said(model: Trees, x: Any) -> Any:
        return lightgbm.Booster(model_str=model.text).predict(x, num_threads=1)

    monkeypatch.setattr(Trees, "predict", said)


def drawn(limit: int = ROWS, queries: bool = False) -> Drawn:
    x, y = table()
    numbers = np.arange(ROWS, dtype=np.uint64)
    return Drawn.of(numbers, x, y, numbers // 7 if queries else None, seed=3, limit=limit)


@given(cuts=st.lists(st.integers(0, ROWS), max_size=6), limit=st.integers(1, ROWS + 50))
@pytest.mark.parametrize("queries", [False, True])
def test_the_same_rows_are_drawn_for_any_cut(queries: bool, cuts: list[int], limit: int) -> None:
    x, y = table()
    numbers = np.arange(ROWS, dtype=np.uint64)
    query = numbers // 7 if queries else None
    edges = [0, *sorted(cuts), ROWS]
    pieces = [
        Drawn.of(
            numbers[a:b], x[a:b], y[a:b], None if query is None else query[a:b], seed=3, limit=limit
        )
        for a, b in pairwise(edges)
    ]
    total = pieces[0]
    for piece in pieces[1:]:
        total = total.merge(piece)
    total, whole = total.whole(), drawn(limit, queries).whole()
    assert total.seen == ROWS and 0 < total.rows <= limit
    if queries:  # whole queries, but for a single one that is larger than the limit
        assert query is not None and whole.query is not None and total.query is not None
        for kind in np.unique(total.query) if limit >= 7 else ():
            assert (total.query == kind).sum() == (query == kind).sum()
    else:
        assert total.x.tobytes() == whole.x.tobytes() and total.y.tobytes() == whole.y.tobytes()


def test_shuffling_what_the_label_hangs_on_costs_most() -> None:
    model, measure, rows = bundle(), Measure("binary"), drawn(300)
    found = [np.mean(drops(model, measure, rows, at, repeats=5, seed=1)) for at in range(FEATURES)]
    assert found[0] > 5 * found[1] > 5 * abs(found[2])
    again = drops(model, measure, rows, 0, repeats=5, seed=1)
    assert again == drops(model, measure, rows, 0, repeats=5, seed=1)
    assert again != drops(model, measure, rows, 0, repeats=5, seed=2)


def test_a_drop_is_the_metric_less_that_of_shuffled_rows() -> None:
    model, measure, rows = bundle(), Measure("binary", metric="auc"), drawn(300)
    x = rows.x.copy()
    x[:, 0] = x[np.random.default_rng([9, 0]).permutation(rows.rows), 0]
    said = model.model.predict(x)
    expected = measured(model, measure, rows) - measure.of(rows.y, said).results()["auc"]
    assert drops(model, measure, rows, 0, repeats=1, seed=9) == [expected]
    assert expected > 0  # an AUC is better when it is higher: a drop is above 0 all the same


def test_partial_dependence_is_the_mean_prediction_with_the_value_everywhere() -> None:
    model, rows = bundle(), drawn(200)
    found = dependence(model, rows, 0, grid=7, curves=4, category=False)
    assert len(found.grid) == 7 and found.curves.shape == (4, 7)
    for place, value in enumerate(found.grid):
        x = rows.x.copy()
        x[:, 0] = value
        said = model.model.predict(x)
        assert found.mean[place] == pytest.approx(said.mean(), rel=1e-12)
        np.testing.assert_allclose(found.curves[:, place], said[:4], rtol=1e-12)
    assert found.mean[-1] > found.mean[0] + 0.5
    codes = dependence(model, rows, 3, grid=4, curves=0, category=True)
    assert len(codes.grid) == 4 and set(codes.grid) <= set(range(6))
    several = dependence(bundle("multiclass"), rows, 0, grid=3, curves=2, category=False)
    np.testing.assert_allclose(several.mean.sum(axis=1), 1)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_contributions_add_up_to_those_of_lightgbm(task: str) -> None:
    model, rows = bundle(task).model, drawn()
    assert isinstance(model, Trees)
    said = model.predict(rows.x)
    told = lightgbm.Booster(model_str=model.text).predict(rows.x, pred_contrib=True, num_threads=1)
    wide = np.asarray(told).reshape(ROWS, -1, FEATURES + 1)
    output = said.argmax(axis=1) if said.ndim > 1 else np.zeros(ROWS, int)
    expected = wide[np.arange(ROWS), output, :-1]
    np.testing.assert_allclose(contributed(model, rows.x, said), expected, atol=1e-9)
    whole = shap(model, rows.x, said)
    np.testing.assert_allclose(whole.mean_sizes, np.abs(expected).mean(axis=0), rtol=1e-9)
    parts = [shap(model, rows.x[a : a + 90], said[a : a + 90]) for a in range(0, ROWS, 90)]
    total = Shap()
    for part in parts[::-1]:
        total = total.merge(part)
    assert total == whole
