"""D2: the share of a loss that a model saves of what the best constant loses on the same rows.

Hastie, Tibshirani and Wainwright (2015), "Statistical learning with sparsity", equation 3.11;
scikit-learn's ``d2_tweedie_score``, ``d2_pinball_score`` and ``d2_absolute_error_score``. The
constant is that of the rows themselves: their mean, or their quantile as NumPy interpolates it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.metrics.counted import ValueCounts
from engine.metrics.losses import deviance, quantile

Floats = npt.NDArray[np.float64]
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Share:
    """What a metric is the share of.

    Attributes:
        loss: Name of the model's mean loss among the metrics of a regression.
        lost: From the labels that there are and the parameters of losses to the mean loss of the
            best constant.
    """

    loss: str
    lost: Callable[[ValueCounts, Params], float]


def _deviance(labels: ValueCounts, params: Params) -> float:
    mean = labels.mean_loss(lambda y: y)
    # No label is above 0: every constant is as good, and the losses have no value.
    if not mean > 0 and params.get("power", 0.0):
        return 0.0 if mean == 0 else mean
    return labels.mean_loss(lambda y: deviance(y, np.full_like(y, mean), params))


def _pinball(labels: ValueCounts, params: Params) -> float:
    at, _ = labels.quantile(float(params.get("alpha", 0.9)))
    return labels.mean_loss(lambda y: quantile(y, np.full_like(y, at), params))


def _absolute(labels: ValueCounts, params: Params) -> float:
    at, _ = labels.quantile(0.5)
    return labels.mean_loss(lambda y: np.abs(y - at))


SHARES: Final[Mapping[str, Share]] = {
    "d2_deviance": Share("deviance", _deviance),
    "d2_pinball": Share("quantile", _pinball),
    "d2_absolute_error": Share("mae", _absolute),
}
"""Each by the name of its metric."""


def saved(lost: float, constant: float) -> float:
    """Return the share that is saved; NaN where the constant loses nothing (scikit-learn: 0, 1)."""
    return 1 - lost / constant if constant else float("nan")
