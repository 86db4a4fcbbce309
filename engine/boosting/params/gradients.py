"""First and second derivatives of the losses whose leaves can be fitted again.

Formulas are those of LightGBM's ``GetGradients`` in src/objective/*.hpp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Gradients = Callable[[Array, Array], tuple[Array, Array]]
"""Takes raw scores (n, outputs) and labels (n,), returns two arrays (n, outputs)."""

POISSON_STEP = 0.7
"""LightGBM's default of ``poisson_max_delta_step``."""


def _binary(scores: Array, y: Array) -> tuple[Array, Array]:
    p = 1.0 / (1.0 + np.exp(-scores))
    return p - y[:, None], p * (1.0 - p)


def _squared(scores: Array, y: Array) -> tuple[Array, Array]:
    return scores - y[:, None], np.ones_like(scores)


def _poisson(scores: Array, y: Array) -> tuple[Array, Array]:
    rate = np.exp(scores)
    return rate - y[:, None], rate * np.exp(POISSON_STEP)


def _softmax(scores: Array, y: Array) -> tuple[Array, Array]:
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    classes = scores.shape[1]
    own = np.arange(classes) == y[:, None]
    return p - own, p * (1.0 - p) * (classes / (classes - 1))


_KNOWN: Final[Mapping[str, Gradients]] = {
    "binary": _binary,
    "cross_entropy": _binary,
    "regression": _squared,
    "poisson": _poisson,
    "multiclass": _softmax,
}

FITTED_AGAIN: Final = tuple(_KNOWN)
"""Objectives whose leaves can be fitted again."""

UNSUPPORTED: Final = ("is_unbalance", "scale_pos_weight", "sigmoid", "reg_sqrt")
"""Parameters that change these losses in ways that are not known here."""


def gradients(params: Mapping[str, Any]) -> Gradients:
    """Return the derivatives of an objective.

    Args:
        params: LightGBM's parameters, with an objective of `FITTED_AGAIN`.
    """
    return _KNOWN[params["objective"]]
