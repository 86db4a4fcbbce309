"""The built-in final estimator ``linear``: weights of 0 or more for the members' predictions.

Source of the bound: Breiman (1996), "Stacked Regressions": members are much alike, and without it
large weights of both signs fit their differences.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.learners.estimator import Task
from engine.models.pooled import Link, Pooled, linked

LINEAR = "linear"

_RIDGE = 1e-6
"""Of the squared distance of weights from equal ones: decides between members that are the same."""

_PRIOR = 0.5
"""Of the squared distance of weights from equal ones, and of intercepts from 0, against the log
loss of all rows together: that of scikit-learn's logistic regression with ``C = 1``. Few rows that
members tell apart without an error would else make weights without a bound."""

Floats = npt.NDArray[np.float64]


def voting(weights: tuple[float, ...], classes: int) -> Pooled:
    """Return the weighted mean.

    Args:
        weights: Of each member, some above 0.
        classes: Of a multiclass task, else 0.
    """
    total = sum(weights)
    intercept = (0.0,) * max(1, classes)
    return Pooled("mean", tuple(weight / total for weight in weights), intercept, classes)


def pooled(
    task: Task, classes: int, members: int, x: npt.NDArray[np.float32], y: Floats, weight: Floats
) -> Pooled:
    """Return the combination that fits rows best: by squared error, or by log loss.

    Args:
        task: ``regression``, ``binary`` or ``multiclass``.
        classes: Of a multiclass task, else 0.
        members: Number of members.
        x: What members say, shape (rows, members) or (rows, members x classes).
        y: Labels, shape (rows,); classes as their codes.
        weight: How much each row counts, shape (rows,).
    """
    if task == "regression":
        return _linear(x.astype(np.float64), y, weight)
    link: Link = "log" if task == "multiclass" else "logit"
    said = linked(x.astype(np.float64).reshape(len(x), members, -1), link)
    if task == "multiclass":
        found = _fitted(said, np.eye(classes)[y.astype(np.int64)], weight)
        return Pooled("log", tuple(found[:members]), tuple(found[members:]), classes)
    # The log-odds of the second class against 0 for the first.
    both = np.concatenate([np.zeros_like(said), said], axis=2)
    found = _fitted(both, np.column_stack([1 - y, y]), weight)
    return Pooled("logit", tuple(found[:members]), (found[-1] - found[-2],))


def _linear(x: Floats, y: Floats, weight: Floats) -> Pooled:
    """Fit weights by non-negative least squares about the means (Lawson and Hanson 1974)."""
    from scipy.optimize import nnls

    share = weight / weight.sum()
    means, mean = share @ x, share @ y
    root = np.sqrt(share)[:, None]
    # The triangle of a QR decomposition has the same squared errors as all rows.
    _, triangle = np.linalg.qr(root * np.column_stack([x - means, y - mean]))
    size = x.shape[1]
    scale = np.sqrt(_RIDGE * max(float(np.square(triangle[:, :size]).sum()), 1e-300))
    a = np.vstack([triangle[:, :size], scale * np.eye(size)])
    b = np.concatenate([triangle[:, size], np.full(size, scale / size)])
    weights, _ = nnls(a, b)
    return Pooled("linear", tuple(weights.tolist()), (float(mean - means @ weights),))


def _fitted(said: Floats, y: Floats, weight: Floats) -> list[float]:
    """Minimise the log loss, convex in all weights.

    Args:
        said: Log-odds or logarithms, shape (rows, members, classes).
        y: 1 for the class of a row, else 0, shape (rows, classes).
        weight: Shape (rows,).

    Returns:
        A weight for each member, an intercept for each class.
    """
    from scipy.optimize import minimize

    members, classes = said.shape[1:]
    share = (weight / weight.sum())[:, None]
    prior = _PRIOR / len(said)

    def loss(found: Floats) -> tuple[float, Floats]:
        weights, intercept = found[:members], found[members:]
        total = np.tensordot(said, weights, (1, 0)) + intercept
        total -= total.max(axis=1, keepdims=True)
        log = total - np.log(np.exp(total).sum(axis=1, keepdims=True))
        apart = weights - 1 / members
        away = float(apart @ apart + intercept @ intercept)
        value = -float((share * y * log).sum()) + prior * away
        slope = share * (np.exp(log) - y)
        by_member = np.einsum("rmc,rc->m", said, slope) + 2 * prior * apart
        return value, np.concatenate([by_member, slope.sum(axis=0) + 2 * prior * intercept])

    start = np.concatenate([np.full(members, 1 / members), np.zeros(classes)])
    bounds = [(0.0, None)] * members + [(None, None)] * classes
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return [float(one) for one in found.x]
