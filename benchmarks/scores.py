"""Metrics by their definitions, of all rows at once: what models are held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def area(y: Array, score: Array) -> float:
    """Return the area under the ROC curve; ties count half.

    Args:
        y: Labels; positive where larger than 0.
        score: Larger for what is more likely positive, shape (n,).
    """
    label = np.asarray(y) > 0
    _, place, ties = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(ties) - (ties - 1) / 2)[place]
    positives = int(label.sum())
    total = rank[label].sum() - positives * (positives + 1) / 2
    return float(total / (positives * (len(label) - positives)))


def log_loss(y: Array, chance: Array) -> float:
    """Return the mean negative logarithm of the chance of what came true.

    Args:
        y: Numbers of the classes, shape (n,).
        chance: Of each class, shape (n, classes).
    """
    true = np.asarray(chance)[np.arange(len(y)), np.asarray(y).astype(int)]
    return float(-np.log(np.clip(true, 1e-15, 1)).mean())


def rmse(y: Array, predicted: Array) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((np.asarray(predicted, np.float64) - y) ** 2)))


def ndcg(y: Array, score: Array, query: Array, at: int = 10) -> float:
    """Return the mean normalised discounted cumulative gain of the first so many of each query.

    Gains are ``2 ** y - 1``; a query without any gain counts as 1, as LightGBM has it.

    Args:
        y: Relevance, shape (n,).
        score: Larger for what should be in front; ties stay in order.
        query: Equal for the rows of a query.
        at: Places that count.
    """
    found = []
    for name in dict.fromkeys(np.asarray(query).tolist()):
        rows = np.asarray(query) == name
        gain = 2.0 ** np.asarray(y)[rows] - 1
        order = np.argsort(-np.asarray(score)[rows], kind="stable")
        discount = 1 / np.log2(np.arange(2, min(at, len(gain)) + 2))
        best = float((np.sort(gain)[::-1][:at] * discount).sum())
        found.append(float((gain[order][:at] * discount).sum()) / best if best else 1.0)
    return float(np.mean(found))
