"""Contributions and leaves against LightGBM's own."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.predict.contributions import Contributions, contributions_of
from engine.predict.leaves import leaves_of

F = 5
SMALL = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "min_data_per_group": 2}


def rows(n: int, seed: int) -> np.ndarray:
    """Numbers, zeros, missing values, and two columns of category codes."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, F)).astype(np.float32)
    x[:, 1] = np.where(rng.random(n) < 0.4, 0, x[:, 1])
    x[:, 3], x[:, 4] = rng.integers(0, 6, n), rng.integers(0, 90, n)
    x[rng.random(x.shape) < 0.15] = np.nan
    return x


def odd(x: np.ndarray, seed: int) -> np.ndarray:
    """The same with unseen, negative and huge codes, infinities and tiny numbers."""
    rng = np.random.default_rng(seed)
    hit, mixed = rng.random(x.shape) < 0.2, x.copy()
    values = [np.nan, np.inf, -np.inf, -1, -0.5, 500, 3e9, 1e-36, -1e-36, 0, -0.0]
    mixed[hit] = rng.choice(np.array(values, np.float32), hit.sum())
    return mixed


def trained(options: dict[str, Any], seed: int = 1, rounds: int = 6) -> lightgbm.Booster:
    x = rows(400, seed)
    filled = np.nan_to_num(x)
    signal = filled[:, 0] * filled[:, 1] + np.sin(filled[:, 3]) + np.cos(filled[:, 4])
    y = np.digitize(signal, [-0.5, 0.5]) if options.get("num_class") else signal
    y = signal > 0 if options["objective"] == "binary" else y
    data = lightgbm.Dataset(x, y, categorical_feature=[3, 4], free_raw_data=False)
    return lightgbm.train({**SMALL, "seed": seed, **options}, data, rounds)


def told(booster: lightgbm.Booster, x: np.ndarray) -> np.ndarray:
    """LightGBM's contributions, shape (rows, outputs, features + 1)."""
    return np.asarray(booster.predict(x, pred_contrib=True)).reshape(len(x), -1, F + 1)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    objective=st.sampled_from(["binary", "regression", "multiclass"]),
    leaves=st.sampled_from([2, 5, 31, 120]),
    boosting=st.sampled_from(["gbdt", "dart", "rf"]),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
    seed=st.integers(0, 1000),
)
def test_contributions_are_those_of_lightgbm_and_add_up_to_the_raw_score(
    objective: str, leaves: int, boosting: str, missing: dict[str, Any], seed: int
) -> None:
    options = {"objective": objective, "num_leaves": leaves, "boosting": boosting, **missing}
    options |= {"bagging_freq": 1, "bagging_fraction": 0.7} if boosting == "rf" else {}
    options |= {"num_class": 3} if objective == "multiclass" else {}
    booster = trained(options, seed)
    ours = Contributions(booster.model_to_string())
    x = odd(rows(67, seed + 1), seed)  # not a multiple of a block
    raw = np.asarray(booster.predict(x, raw_score=True)).reshape(len(x), -1)
    chosen = np.random.default_rng(seed).integers(0, ours.outputs, len(x))
    found = ours.of(x, chosen if ours.outputs > 1 else None)
    some = np.arange(len(x))
    np.testing.assert_allclose(found, told(booster, x)[some, chosen], rtol=0, atol=1e-11)
    np.testing.assert_allclose(found.sum(axis=1), raw[some, chosen], rtol=0, atol=1e-11)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    leaves=st.lists(st.sampled_from([1, 2, 8, 33, 65, 130]), min_size=1, max_size=5),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    outputs=st.integers(1, 3),
)
def test_leaves_of_any_valid_model_are_those_of_lightgbm(
    write_model: Any, cells: np.ndarray, seed: int, leaves: list[int], share: float, outputs: int
) -> None:
    text = write_model(seed, leaves * outputs, share, outputs)
    expected = lightgbm.Booster(model_str=text).predict(cells, pred_leaf=True)
    found = leaves_of(text).of(cells)
    assert found.dtype == np.int32
    assert np.array_equal(found, np.asarray(expected).reshape(len(cells), -1))


def test_a_row_has_the_same_bits_whichever_rows_stand_beside_it() -> None:
    ours = contributions_of(trained({"objective": "multiclass", "num_class": 3}).model_to_string())
    x = odd(rows(1500, 4), 5)
    output = np.arange(len(x)) % 3
    whole = ours.of(x, output)
    for start, end in [(0, 1), (700, 701), (31, 1100), (1499, 1500)]:
        part = ours.of(x[start:end], output[start:end])
        assert part.tobytes() == whole[start:end].tobytes()
    assert ours.of(x[:0], output[:0]).shape == (0, F + 1)


def test_a_model_that_has_learned_nothing_is_its_base() -> None:
    booster = trained({"objective": "regression", "min_data_in_leaf": 10**6})
    x = rows(3, 1)
    found = contributions_of(booster.model_to_string()).of(x)
    assert not found[:, :-1].any() and np.allclose(found[:, -1], booster.predict(x))
    assert not leaves_of(booster.model_to_string()).of(x).any()


def test_branches_that_no_training_row_took_have_finite_contributions() -> None:
    booster = trained({"objective": "regression", "num_leaves": 6}, rounds=2)
    lines = booster.model_to_string().split("\n")
    text = "\n".join(
        "leaf_count=" + " ".join("0" for _ in line.split()) if "leaf_count=" in line else line
        for line in lines
    )
    sizes = [len(block.encode()) + 5 for block in text.split("end of trees")[0].split("Tree=")[1:]]
    text = "\n".join(
        "tree_sizes=" + " ".join(map(str, sizes)) if line.startswith("tree_sizes=") else line
        for line in text.split("\n")
    )
    x = rows(50, 3)
    found = Contributions(text).of(x)
    raw = np.asarray(booster.predict(x, raw_score=True))
    assert np.isfinite(found).all()
    expected = raw - raw.mean()  # the base is nothing now; the sum still tells rows apart
    np.testing.assert_allclose(found.sum(axis=1) - found.sum(axis=1).mean(), expected, atol=1e-9)


def test_models_that_cannot_be_explained_say_why(write_model: Any) -> None:
    with pytest.raises(ModelError, match="how many training rows") as told:
        contributions_of(write_model(1, [8], 0.0))
    assert "tree 0" in str(told.value)
    linear = trained({"objective": "regression", "linear_tree": True})
    with pytest.raises(ModelError, match="linear"):
        contributions_of(linear.model_to_string())
