"""The losses of the regression family, row by row: LightGBM's formulas, so LightGBM's values.

Source: ``LossOnPoint`` of each metric in LightGBM 4.7, src/metric/regression_metric.hpp and
xentropy_metric.hpp. ``relative_error``, ``rmsle`` and ``deviance`` are scikit-learn's. A metric is
the mean of its loss over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError

Floats = npt.NDArray[np.float64]
Params = Mapping[str, Any]
"""LightGBM's parameters by their main names; those that a loss does not know are ignored."""

_EPS: Final = float(np.float32(1e-10))  # LightGBM's literal is a float32
_DEVIANCE_EPS: Final = 1e-9
_LOG_EPS: Final = 1e-12  # kLogArgEpsilon


def mape(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the absolute error over the size of the label, which counts as 1 at least."""
    return np.abs(y - p) / np.maximum(1.0, np.abs(y))


def relative_error(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the absolute error over the size of the label, however small that is.

    Its mean is scikit-learn's ``mean_absolute_percentage_error``; a label of 0 counts as 2.2e-16.
    """
    return np.abs(y - p) / np.maximum(np.finfo(np.float64).eps, np.abs(y))


def rmsle(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the squared difference of log(1 + value); the metric is the root of its mean."""
    _refuse("rmsle", "labels or predictions are -1 or less", (y <= -1) | (p <= -1))
    return squared_log(y, p)


def squared_log(y: Floats, p: Floats) -> Floats:
    """Return the squared difference of log(1 + value), of values above -1."""
    found: Floats = (np.log1p(p) - np.log1p(y)) ** 2
    return found


def huber(y: Floats, p: Floats, params: Params) -> Floats:
    """Return half the squared error up to ``alpha`` (0.9), and linear growth from there on."""
    alpha, size = float(params.get("alpha", 0.9)), np.abs(p - y)
    return np.where(size <= alpha, 0.5 * size * size, alpha * (size - 0.5 * alpha))


def fair(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the fair loss of ``fair_c`` (1)."""
    c, size = float(params.get("fair_c", 1.0)), np.abs(p - y)
    return c * size - c * c * np.log1p(size / c)


def quantile(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the pinball loss of the quantile ``alpha`` (0.9)."""
    alpha, delta = float(params.get("alpha", 0.9)), y - p
    return np.where(delta < 0, (alpha - 1.0) * delta, alpha * delta)


def poisson(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the negative log-likelihood of counts, without what depends on the label alone."""
    _refuse("poisson", "labels are below 0", y < 0)
    p = np.maximum(p, _EPS)
    return p - y * np.log(p)


def gamma(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the negative log-likelihood of a gamma distribution of shape 1."""
    _refuse_not_positive("gamma", y, p)
    return y / p + np.log(p)


def gamma_deviance(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the unit deviance of a gamma distribution.

    Its mean is scikit-learn's ``mean_gamma_deviance``; LightGBM gives the sum over all rows.
    """
    _refuse_not_positive("gamma_deviance", y, p)
    ratio = y / (p + _DEVIANCE_EPS)
    return 2.0 * (ratio - np.log(ratio) - 1.0)


def tweedie(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the negative log-likelihood for ``tweedie_variance_power`` (1.5), in (1, 2)."""
    _refuse("tweedie", "labels are below 0", y < 0)
    power, log = float(params.get("tweedie_variance_power", 1.5)), np.log(np.maximum(p, _EPS))
    one, two = 1.0 - power, 2.0 - power
    return np.exp(two * log) / two - y * np.exp(one * log) / one


def deviance(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the unit deviance of the distribution that is predicted the mean of.

    Its mean is scikit-learn's ``mean_tweedie_deviance`` of the ``power`` in the parameters, which
    `engine.metrics.Measure` takes from the objective: 1 (``mean_poisson_deviance``), 2
    (``mean_gamma_deviance``), ``tweedie_variance_power``, or 0, the squared error. Formulas:
    Jorgensen (1987), "Exponential dispersion models".
    """
    power = float(params.get("power", 0.0))
    if power == 0:
        return (y - p) ** 2
    low = y <= 0 if power >= 2 else y < 0
    _refuse("deviance", "labels are not such as the objective has", low)
    _refuse("deviance", "predictions are not above 0", p <= 0)
    if power == 1:
        logs = np.log(np.divide(y, p, out=np.ones_like(y), where=y > 0))
        return 2.0 * (y * logs - y + p)
    if power == 2:
        return 2.0 * (np.log(p / y) + y / p - 1.0)
    one, two = 1.0 - power, 2.0 - power
    return 2.0 * (y**two / (one * two) - y * p**one / one + p**two / two)


def cross_entropy(y: Floats, p: Floats, params: Params) -> Floats:
    """Return the cross entropy of labels that are themselves probabilities."""
    _refuse("cross_entropy", "labels or predictions are outside [0, 1]", (y < 0) | (y > 1))
    _refuse("cross_entropy", "labels or predictions are outside [0, 1]", (p < 0) | (p > 1))
    yes, no = np.log(np.maximum(p, _LOG_EPS)), np.log(np.maximum(1.0 - p, _LOG_EPS))
    return -(y * yes + (1.0 - y) * no)


LOSSES: Final[Mapping[str, Callable[[Floats, Floats, Params], Floats]]] = {
    loss.__name__: loss
    for loss in (
        *(mape, relative_error, rmsle, huber, fair, quantile),
        *(poisson, gamma, gamma_deviance, tweedie, deviance, cross_entropy),
    )
}
"""Each loss by the name of its metric: labels and predictions of shape (n,) to losses (n,)."""

ROOTED: Final = frozenset({"rmsle"})
"""Metrics that are the root of the mean of their loss."""


def _refuse_not_positive(metric: str, y: Floats, p: Floats) -> None:
    _refuse(metric, "labels are not above 0", y <= 0)
    _refuse(metric, "predictions are not above 0", p <= 0)


def _refuse(metric: str, what: str, bad: npt.NDArray[np.bool_]) -> None:
    if found := int(np.count_nonzero(bad)):
        raise MillraceError(
            f"{found} of {len(bad)} {what}: there is no {metric}",
            hint="choose another metric or objective",
        )
