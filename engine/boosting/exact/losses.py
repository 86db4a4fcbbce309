"""First and second derivatives of the objectives that can be trained exactly.

Formulas are those of LightGBM's ``GetGradients`` in src/objective/*.hpp. Every row's values come
from this row, or from its query, alone, whoever holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Pair = tuple[Array, Array]
Loss = Callable[[Array, Array, Mapping[str, Any]], Pair]
"""Takes raw scores (n, outputs), labels (n, 1) and parameters; returns two arrays (n, outputs)."""


def _logistic(scores: Array, y: Array, _: Mapping[str, Any]) -> Pair:
    p = sigmoid(scores)
    return p - y, p * (1.0 - p)


def _one_against_all(scores: Array, y: Array, params: Mapping[str, Any]) -> Pair:
    return _logistic(scores, (np.arange(scores.shape[1]) == y).astype(np.float64), params)


def _softmax(scores: Array, y: Array, _: Mapping[str, Any]) -> Pair:
    p = softmax(scores)
    classes = scores.shape[1]
    return p - (np.arange(classes) == y), p * (1.0 - p) * (classes / (classes - 1))


def _squared(scores: Array, y: Array, _: Mapping[str, Any]) -> Pair:
    return scores - y, np.ones_like(scores)


def _huber(scores: Array, y: Array, params: Mapping[str, Any]) -> Pair:
    alpha = float(params.get("alpha", 0.9))
    return np.clip(scores - y, -alpha, alpha), np.ones_like(scores)


def _fair(scores: Array, y: Array, params: Mapping[str, Any]) -> Pair:
    c, x = float(params.get("fair_c", 1.0)), scores - y
    width = np.abs(x) + c
    return c * x / width, c * c / (width * width)


def _poisson(scores: Array, y: Array, params: Mapping[str, Any]) -> Pair:
    rate = np.exp(scores)
    return rate - y, rate * np.exp(float(params.get("poisson_max_delta_step", 0.7)))


def _gamma(scores: Array, y: Array, _: Mapping[str, Any]) -> Pair:
    share = y * np.exp(-scores)
    return 1.0 - share, share


def _tweedie(scores: Array, y: Array, params: Mapping[str, Any]) -> Pair:
    rho = float(params.get("tweedie_variance_power", 1.5))
    first, second = np.exp((1 - rho) * scores), np.exp((2 - rho) * scores)
    return second - y * first, (2 - rho) * second - y * (1 - rho) * first


LOSSES: Final[Mapping[str, Loss]] = {
    "binary": _logistic,
    "cross_entropy": _logistic,
    "multiclass": _softmax,
    "multiclassova": _one_against_all,
    "regression": _squared,
    "huber": _huber,
    "fair": _fair,
    "poisson": _poisson,
    "gamma": _gamma,
    "tweedie": _tweedie,
}
"""By objective; ``lambdarank`` has a module of its own."""


def sigmoid(scores: Array) -> Array:
    """Return probabilities of raw scores."""
    # An overflow ends in the right value, 0.
    with np.errstate(over="ignore"):
        found: Array = 1.0 / (1.0 + np.exp(-scores))
    return found


def softmax(scores: Array) -> Array:
    """Return probabilities of raw scores, shape (n, classes)."""
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Array = p / p.sum(axis=1, keepdims=True)
    return found
