"""When train, validation and test are too far apart, and when they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.metrics import CustomMetric, Measure, Scores
from engine.metrics.overfit import warnings


def part(signal: float, n: int, seed: int) -> Scores:
    """Probabilities that tell so much of labels."""
    random = np.random.default_rng(seed)
    y = random.random(n) < 0.5
    odds = signal * (2 * y - 1) + random.normal(size=n)
    return Measure("binary").of(y, 1 / (1 + np.exp(-odds)))


@pytest.mark.parametrize("metric", ["auc", "log_loss", "accuracy", "mcc"])
def test_a_gap_beyond_chance_is_told(metric: str) -> None:
    parts = {"train": part(1.5, 4000, 0), "valid": part(0.7, 4000, 1), "test": part(0.7, 4000, 2)}
    told = warnings(parts, metric)
    assert len(told) == 1
    assert told[0].startswith(f"{metric} is better on train (")
    assert "than on valid (" in told[0] and "overfitted" in told[0]


@pytest.mark.parametrize("metric", ["auc", "log_loss", "f1", "ks"])
def test_parts_of_one_law_are_not_told_apart(metric: str) -> None:
    parts = {name: part(1.0, 2000, seed) for seed, name in enumerate(("train", "valid", "test"))}
    assert warnings(parts, metric) == []


def test_few_rows_prove_nothing() -> None:
    train = part(1.5, 4000, 0)
    assert len(warnings({"train": train, "valid": part(1.2, 4000, 3)}, "auc")) == 1
    assert warnings({"train": train, "valid": part(1.2, 20, 3)}, "auc") == []


def test_a_better_validation_is_no_warning() -> None:
    assert warnings({"train": part(0.7, 4000, 0), "valid": part(1.5, 4000, 1)}, "log_loss") == []


def test_a_small_gap_is_allowed_however_certain() -> None:
    parts = {"train": part(1.02, 100_000, 0), "valid": part(1.0, 100_000, 1)}
    assert warnings(parts, "auc") == []
    assert len(warnings(parts, "auc", margin=0.0)) == 1


def test_validation_may_be_the_one_that_is_too_good() -> None:
    parts = {"valid": part(1.5, 4000, 0), "test": part(0.7, 4000, 1)}
    assert "chosen by these rows" in warnings(parts, "auc")[0]


def of_error(y: Any, p: Any) -> Any:
    return np.abs(y - p)


def mean_of(sums: Any, rows: int) -> float:
    return float(sums[0] / rows)


def test_a_metric_without_an_interval_is_judged_by_the_margin() -> None:
    measure = Measure("regression", custom=(CustomMetric("own", of_error, mean_of),))
    one = measure.of(np.zeros(5), np.full(5, 1.0))
    two = measure.of(np.zeros(5), np.full(5, 1.05))
    three = measure.of(np.zeros(5), np.full(5, 1.5))
    assert warnings({"train": one, "valid": two}, "own", higher_is_better=False) == []
    told = warnings({"train": one, "valid": three}, "own", higher_is_better=False)
    assert told[0].startswith("own is better on train (1) than on valid (1.5)")


def test_what_is_not_known_is_not_compared() -> None:
    empty = Measure("binary").empty()
    assert warnings({"train": part(1.5, 4000, 0), "valid": empty}, "auc") == []
