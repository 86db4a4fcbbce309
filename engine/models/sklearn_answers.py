"""What an estimator of scikit-learn says, in the shape that our tasks have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.models.learned import Scores

Rows = npt.NDArray[np.floating]


def answers(estimator: Any, rows: Rows, task: str, classes: int) -> Scores:
    """Return the scores of rows; see `engine.models.learned.Scores`.

    Args:
        estimator: A fitted one.
        rows: (n, features), finite where the estimator wants it so.
        task: What it was trained for.
        classes: Number of classes, where the task has them.
    """
    if task in ("binary", "multiclass"):
        p = _spread(_probabilities(estimator, rows), estimator.classes_, classes)
        return p[:, 1] if task == "binary" else p
    if task == "clustering":
        return _clusters(estimator, rows)
    if task == "anomaly":
        # All three (IsolationForest, OneClassSVM, LocalOutlierFactor) predict -1 below 0.
        return np.asarray(0.0 - estimator.decision_function(rows), np.float64)
    if task == "reduction":
        return np.asarray(estimator.transform(rows), np.float64)
    return np.asarray(estimator.predict(rows), np.float64)


def calibrated(estimator: Any) -> bool:
    """Tell whether an estimator of classes says probabilities of its own."""
    return hasattr(estimator, "predict_proba")


def _probabilities(estimator: Any, rows: Rows) -> npt.NDArray[np.float64]:
    """Return (n, known classes): probabilities, or margins squashed into their range."""
    if calibrated(estimator):
        return np.asarray(estimator.predict_proba(rows), np.float64)
    margin = np.asarray(estimator.decision_function(rows), np.float64)
    if margin.ndim == 1:
        p = _logistic(margin)
        return np.column_stack([1.0 - p, p])
    powers = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def _logistic(margin: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1 / (1 + exp(-margin)) without an overflow."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def _spread(
    p: npt.NDArray[np.float64], known: npt.NDArray[np.generic], classes: int
) -> npt.NDArray[np.float64]:
    """Give a class that had no training row its column of zeros."""
    if len(known) == classes:
        return p
    full = np.zeros((len(p), classes))
    full[:, known.astype(np.int64)] = p
    return full


def _clusters(estimator: Any, rows: Rows) -> Scores:
    """Return the cluster of each row and its distance to the centre."""
    if hasattr(estimator, "transform"):  # k-means: distances to all centres
        distances = np.asarray(estimator.transform(rows), np.float64)
        found = distances.argmin(axis=1)
        return np.column_stack([found, distances[np.arange(len(rows)), found]])
    found = estimator.predict(rows)  # a mixture: the likeliest, which need not be the nearest
    away = np.linalg.norm(rows - estimator.means_[found], axis=1)
    return np.column_stack([found, away]).astype(np.float64)
