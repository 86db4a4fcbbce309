"""Exact derivatives: LightGBM's own models, whatever the number of ranks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_ranks import trained
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.boosting.exact.grid import Peaks, snap, step
from engine.boosting.exact.start import Sums, total
from engine.boosting.exact.text import named, predicted
from engine.boosting.native import lightgbm
from engine.boosting.params.reproducible import EXACT

PARAMS = {
    "num_leaves": 15, "verbosity": -1, "deterministic": True, "force_col_wise": True,
    "feature_pre_filter": False, "num_threads": 1, "seed": 7, "metric": "None",
    "enable_bundle": False, "is_enable_sparse": False, "pre_partition": True,
}  # fmt: skip

values = arrays(np.float32, st.integers(1, 60), elements=st.floats(-(2.0**90), 2.0**90, width=32))


def drawn(objective: str, *, weight: bool = False, rows: int = 3000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((rows, 6)).astype(np.float32)
    x[:, 3] = rng.integers(0, 30, rows)
    x[rng.random(rows) < 0.1, 4] = np.nan
    z = x[:, 0] + x[:, 1] * x[:, 2] + np.isin(x[:, 3], (3, 7, 9)) + rng.standard_normal(rows)
    found = {"x": x, "y": _labels(objective, z).astype(np.float32)}
    if objective == "lambdarank":
        found["query"] = np.arange(rows) // 10
    if weight:
        found["weight"] = (rng.random(rows) + 0.1).astype(np.float32)
    return found


def _labels(objective: str, z: np.ndarray) -> np.ndarray:
    if objective in ("multiclass", "multiclassova", "lambdarank"):
        return np.digitize(z, [0, 1.5])
    if objective in ("poisson", "gamma", "tweedie"):
        return np.exp(0.3 * z)
    if objective == "cross_entropy":
        return np.clip(0.5 + 0.2 * z, 0, 1)
    return z > 0.8 if objective == "binary" else z * 3 + 17


def params_of(objective: str, **more: Any) -> dict[str, Any]:
    classes = {"num_class": 3} if objective.startswith("multiclass") else {}
    return {**PARAMS, "objective": objective, **classes, **more}


@pytest.mark.parametrize("objective", EXACT)
def test_any_number_of_ranks_gives_the_same_text(objective: str) -> None:
    rows = drawn(objective, weight=objective in ("binary", "regression", "lambdarank"))
    params = params_of(objective, categorical_column=[3], feature_fraction=0.7, path_smooth=1.0)
    one = trained(rows, params, (), 6)
    for cuts in ((1500,), (150, 2000), (1000, 1110, 2500)):
        assert trained(rows, params, cuts, 6) == one


@pytest.mark.parametrize("objective", EXACT)
def test_the_model_is_lightgbms(objective: str) -> None:
    rows = drawn(objective)
    params = params_of(objective, num_leaves=4, min_data_in_leaf=1)
    lgb = lightgbm()
    reference = lgb.Dataset(rows["x"][::3].copy(), params=params).construct()
    data = lgb.Dataset(rows["x"], label=rows["y"], reference=reference, params=params)
    if "query" in rows:
        data.set_group(np.full(300, 10))
    falling = lgb.reset_parameter(learning_rate=lambda round: 0.2 / (round + 1))
    own = lgb.train(params, data, 5, callbacks=[falling])
    text = trained(rows, params, (), 5)
    assert _line(text, "objective=") == _line(own.model_to_string(), "objective=")
    ours = lgb.Booster(model_str=text)
    expected, found = own.predict(rows["x"]), ours.predict(rows["x"])
    assert np.allclose(found, expected, rtol=2e-4, atol=2e-5)
    scores = ours.predict(rows["x"], raw_score=True)
    assert np.allclose(predicted(scores, objective), found, rtol=1e-12)


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_monotone_features_go_with_it() -> None:
    rows = drawn("regression")
    params = params_of("regression", monotone_constraints=[1, 0, 0, 0, 0, -1])
    assert trained(rows, params, (), 5) == trained(rows, params, (700, 1900), 5)
    assert trained(rows, params, (), 5) != trained(rows, params_of("regression"), (), 5)


def test_a_leaf_of_rows_that_are_all_elsewhere() -> None:
    rows = drawn("binary")
    order = np.argsort(rows["x"][:, 0], kind="stable")  # the second rank has no small values
    rows = {name: one[order] for name, one in rows.items()}
    assert trained(rows, params_of("binary"), (1500,), 4) == trained(
        rows, params_of("binary"), (2900, 2950), 4
    )


@given(values, st.randoms())
def test_sums_on_the_grid_have_no_order(found: np.ndarray, random: Any) -> None:
    snap(found, step(float(np.abs(found).max()), len(found)))
    exact = sum((Fraction(float(one)) for one in found), Fraction(0))
    order = list(range(len(found)))
    random.shuffle(order)
    running = 0.0
    for at in order:
        running += float(found[at])
    assert Fraction(running) == exact


@given(values)
def test_the_grid_is_as_fine_as_float32_at_the_peak(found: np.ndarray) -> None:
    peak = float(np.abs(found).max())
    near = found.copy()
    snap(near, step(peak, len(found)))
    assert np.all(np.abs(near.astype(float) - found) <= max(peak * 2**-24, 2**-149))


def test_many_rows_make_a_coarser_grid() -> None:
    assert step(1.0, 1000) == 2.0**-23
    assert step(1.0, 2**36) > step(1.0, 2**30) > step(1.0, 1000)
    assert step(0.0, 1000) == 1.0
    assert Peaks(1, 5, 3) + Peaks(4, 2, 6) == Peaks(4, 5, 9)


@given(values)
def test_a_total_is_exact(found: np.ndarray) -> None:
    assert total(found) == sum((Fraction(float(one)) for one in found), Fraction(0))


@given(values, st.integers(0, 60))
def test_sums_do_not_depend_on_who_has_which_rows(y: np.ndarray, cut: int) -> None:
    w = np.abs(y) / np.float32(2.0**90) + np.float32(0.1)
    halves = Sums.of(y[:cut], w[:cut], 0) + Sums.of(y[cut:], w[cut:], 0)
    assert halves == Sums.of(y, w, 0)


def test_starts() -> None:
    y = np.float32([0, 1, 1, 1])
    assert Sums.of(y, None, 0).scores("regression") == (0.75,)
    assert Sums.of(y, None, 0).scores("binary") == pytest.approx((np.log(3),))
    assert Sums.of(y, None, 0).scores("poisson") == pytest.approx((np.log(0.75),))
    assert Sums.of(y, None, 2).scores("multiclass") == pytest.approx((np.log(0.25), np.log(0.75)))
    assert Sums.of(y, None, 0).scores("lambdarank") == (0.0,)
    assert Sums.of(y, np.float32([3, 1, 1, 1]), 0).scores("huber") == (0.5,)


def test_only_the_head_and_the_block_of_parameters_are_named() -> None:
    head, tail = "tree\nmax_feature_idx=3\n", "feature_names=a\n\nTree=0\n[x]\n\nparameters:\n"
    found = named(f"{head}{tail}[objective: custom]\n", {"objective": "binary"})
    assert found == f"{head}objective=binary sigmoid:1\n{tail}[objective: binary]\n"
