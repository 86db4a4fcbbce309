"""Our kernels against ``Booster.predict``, bit for bit."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.predict import predictor
from engine.predict.arrays import CODED, NARROW, WALKED, WIDE
from engine.predict.columns import round_down
from engine.predict.kernel import score
from engine.predict.tables import lay_out
from engine.predict.trees import parse

F = 6
OBJECTIVES: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary", "sigmoid": 0.7},
    "unbalanced": {"objective": "binary", "is_unbalance": True},
    "regression": {"objective": "regression"},
    "square_root": {"objective": "regression", "reg_sqrt": True},
    "quantile": {"objective": "quantile", "alpha": 0.3},
    "poisson": {"objective": "poisson"},
    "tweedie": {"objective": "tweedie"},
    "gamma": {"objective": "gamma"},
    "cross_entropy": {"objective": "cross_entropy"},
    "cross_entropy_lambda": {"objective": "cross_entropy_lambda"},
    "multiclass": {"objective": "multiclass", "num_class": 4},
    "multiclassova": {"objective": "multiclassova", "num_class": 4},
    "forest": {
        **{"objective": "binary", "boosting": "rf", "bagging_freq": 1},
        "bagging_fraction": 0.6,
    },
    "dart": {"objective": "binary", "boosting": "dart"},
    "zero_as_missing": {"objective": "binary", "zero_as_missing": True},
    "no_missing": {"objective": "binary", "use_missing": False},
    "stump": {"objective": "binary", "num_leaves": 2, "rounds": 1},
    "narrow": {"objective": "binary", "num_leaves": 32},
    "wide": {"objective": "binary", "num_leaves": 64},
    "large": {"objective": "binary", "num_leaves": 500, "rounds": 5},
    "constant": {"objective": "binary", "min_data_in_leaf": 10**6},
}


def rows(n: int, seed: int) -> np.ndarray:
    """Numbers, zeros, NaN, a constant and two categorical columns (the last of 300 codes)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, F)).astype(np.float32)
    x[:, 1] = np.where(rng.random(n) < 0.5, 0, x[:, 1])
    x[:, 2] = np.where(rng.random(n) < 0.2, np.nan, x[:, 2])
    x[:, 3] = 1.5
    x[:, 4] = rng.integers(0, 12, n)
    x[:, 5] = rng.integers(0, 300, n)
    return x


def odd(x: np.ndarray) -> np.ndarray:
    """Unseen, negative, fractional and huge codes, infinities, NaN and tiny numbers."""
    values = [np.nan, np.inf, -np.inf, -1, -0.5, 11.7, 299.9, 1e6, 3e9, 1e-36, -1e-36, 0, -0.0]
    mixed = x.copy()
    rng = np.random.default_rng(3)
    hit = rng.random(x.shape) < 0.2
    mixed[hit] = rng.choice(np.array(values, np.float32), hit.sum())
    return mixed


def trained(options: dict[str, Any]) -> str:
    parameters = {"num_leaves": 15, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}
    parameters |= {"min_data_per_group": 5, "cat_smooth": 1.0} | options
    rounds = parameters.pop("rounds", 12)
    x = rows(3000, 1)
    signal = x[:, 0] + np.nan_to_num(x[:, 2]) + np.sin(x[:, 4]) + np.cos(x[:, 5])
    y = np.abs(signal) + 0.1
    if parameters["objective"].startswith("multiclass"):
        y = np.digitize(signal, [-1, 0, 1])
    elif parameters["objective"].startswith("cross_entropy"):
        y = 1 / (1 + np.exp(-signal))
    elif parameters["objective"] == "binary":
        y = signal > 0
    data = lightgbm.Dataset(x, y, categorical_feature=[4, 5], free_raw_data=False)
    return str(lightgbm.train(parameters, data, rounds).model_to_string())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_trained_models_give_the_bits_of_lightgbm(name: str) -> None:
    text = trained(OBJECTIVES[name])
    booster = lightgbm.Booster(model_str=text)
    ours = predictor(text)
    for x in (rows(1000, 2), odd(rows(1000, 2)), rows(1, 5)):
        raw, expected = ours.raw(x), booster.predict(x, raw_score=True)
        assert ours.engine == "walk", ours.reason
        assert raw.shape == expected.shape
        assert raw.tobytes() == expected.tobytes()
        np.testing.assert_allclose(ours.predict(x), booster.predict(x), rtol=4e-16, atol=2e-16)


def kernel(text: str, x: np.ndarray) -> np.ndarray:
    """Score without the comparison that a predictor makes."""
    forest = parse(text)
    out = np.zeros((len(x), forest.outputs))
    score(x, *lay_out(forest), out)
    return out


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    leaves=st.lists(st.sampled_from([1, 2, 3, 8, 31, 32, 33, 63, 64, 65, 130]), min_size=1),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    outputs=st.integers(1, 3),
    codes=st.sampled_from([10, 100, 9000]),
)
def test_any_valid_model_gives_the_bits_of_lightgbm(
    write_model: Any, cells: np.ndarray, seed: int, leaves: list[int], share: float, outputs: int,
    codes: int,
) -> None:  # fmt: skip
    leaves = (leaves * outputs)[: max(len(leaves) // outputs, 1) * outputs]
    text = write_model(seed, leaves, share, outputs, codes)
    expected = lightgbm.Booster(model_str=text).predict(cells, raw_score=True, num_threads=1)
    assert kernel(text, cells).tobytes() == np.ascontiguousarray(expected).tobytes()


def test_each_tree_takes_the_way_meant_for_it(write_model: Any) -> None:
    kinds = {
        NARROW: write_model(1, [32], 0.0),
        WIDE: write_model(1, [33, 64], 0.5),
        WALKED: write_model(1, [65], 0.0),
        CODED: write_model(1, [70], 0.9),
    }
    for kind, text in kinds.items():
        assert set(lay_out(parse(text)).kind.tolist()) == {kind}
    many = write_model(1, [60], 1.0, codes=60_000)  # category tables too large for masks
    assert lay_out(parse(many)).kind.tolist() == [CODED]


@given(
    threshold=st.floats(allow_nan=False),
    x=st.floats(width=32, allow_nan=False),
    nudge=st.integers(-2, 2),
)
def test_rounded_thresholds_decide_alike(threshold: float, x: float, nudge: int) -> None:
    with np.errstate(over="ignore"):
        near = np.array([x, np.float32(threshold)], np.float32)
        for _ in range(abs(nudge)):
            near = np.nextafter(near, np.float32(np.copysign(np.inf, nudge)))
    seen = np.where(np.abs(near) <= np.float32(1e-35), 0.0, near.astype(np.float64))
    ours = near <= round_down(np.array([threshold]))[0]
    assert ours.tolist() == (seen <= threshold).tolist()


@pytest.mark.parametrize("n", [1, 127, 128, 129, 300])
def test_a_row_does_not_depend_on_its_company(write_model: Any, cells: np.ndarray, n: int) -> None:
    text = write_model(5, [20, 40, 90], 0.3)
    together = kernel(text, cells)
    assert kernel(text, cells[:n].copy()).tobytes() == together[:n].tobytes()
    alone = np.concatenate([kernel(text, cells[i : i + 1]) for i in range(n)])
    assert alone.tobytes() == together[:n].tobytes()
