"""How well clusters lie apart, from rows of features and the cluster of each. Pure functions.

What is far from 0 loses digits when it is squared, or when means are subtracted: scikit-learn's
variances between clusters are off by 1e-10 at a thousand standard deviations. So rows are moved to
where their mean is near 0, which float32 values allow almost without rounding, and sums that become
centres are rounded once (`math.fsum`).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK = 500  # rows whose distances to all others are held at once


def silhouette(x: npt.NDArray[np.float32], labels: Ints) -> float:
    """Return the mean silhouette with Euclidean distances; 0 for the only row of a cluster.

    Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis". NaN unless there are two clusters at least, and fewer than rows (scikit-learn refuses
    these).

    Args:
        x: Shape (n, features).
        labels: Shape (n,), the cluster of each row.
    """
    from scipy.spatial.distance import cdist

    known, cluster, sizes = _clusters(labels)
    if not 1 < known < len(labels):
        return float("nan")
    member = np.eye(known)[cluster]
    wide, found = x.astype(np.float64), np.empty(len(labels))
    for start in range(0, len(labels), _BLOCK):
        rows = slice(start, start + _BLOCK)
        own = cluster[rows]
        total = cdist(wide[rows], wide) @ member
        here = np.arange(len(own)), own
        within = total[here] / np.maximum(sizes[own] - 1, 1)
        means = total / sizes
        means[here] = np.inf
        nearest = means.min(axis=1)
        greater = np.maximum(within, nearest)
        share = np.divide(nearest - within, greater, out=np.zeros(len(own)), where=greater > 0)
        found[rows] = np.where(sizes[own] > 1, share, 0.0)
    return float(found.mean())


def calinski_harabasz(x: npt.NDArray[np.float32], labels: Ints) -> float:
    """Return the variance between clusters over that within, by degrees of freedom.

    Calinski and Harabasz (1974), "A dendrite method for cluster analysis". 1 where there is none
    within, as in scikit-learn; NaN as for `silhouette`, arguments too.
    """
    known, cluster, sizes = _clusters(labels)
    if not 1 < known < len(labels):
        return float("nan")
    wide = _moved(x)
    centres = _centres(wide, cluster, sizes)
    mean = _centres(wide, np.zeros_like(cluster), np.array([len(x)]))
    between = float((sizes[:, None] * (centres - mean) ** 2).sum())
    within = float(((wide - centres[cluster]) ** 2).sum())
    return between * (len(x) - known) / (within * (known - 1)) if within else 1.0


def davies_bouldin(x: npt.NDArray[np.float32], labels: Ints) -> float:
    """Return how much clusters spread over how far they are apart, with the worst other of each.

    Davies and Bouldin (1979), "A cluster separation measure"; less is better. NaN as for
    `silhouette`, arguments too.
    """
    from scipy.spatial.distance import cdist

    known, cluster, sizes = _clusters(labels)
    if not 1 < known < len(labels):
        return float("nan")
    wide = _moved(x)
    centres = _centres(wide, cluster, sizes)
    off = np.sqrt(((wide - centres[cluster]) ** 2).sum(axis=1))
    spread = np.bincount(cluster, off, known) / sizes
    apart = cdist(centres, centres)
    both = spread[:, None] + spread[None, :]
    ratio = np.divide(both, apart, out=np.zeros_like(both), where=apart > 0)
    return float(ratio.max(axis=1).mean())


def _clusters(labels: Ints) -> tuple[int, Ints, Ints]:
    """Return the number of clusters, that of each row from 0 on, and their sizes."""
    known, cluster = np.unique(labels, return_inverse=True)
    return len(known), cluster, np.bincount(cluster, minlength=len(known))


def _moved(x: npt.NDArray[np.float32]) -> Floats:
    """Return the rows with their mean near 0, moved by a float32 so that little is rounded."""
    wide = x.astype(np.float64)
    moved: Floats = wide - wide.mean(axis=0).astype(np.float32)
    return moved


def _centres(x: Floats, cluster: Ints, sizes: Ints) -> Floats:
    """Return the mean of each cluster, shape (clusters, features)."""
    order = np.argsort(cluster, kind="stable")
    groups = np.split(x[order], np.cumsum(sizes)[:-1])
    sums = [[math.fsum(column.tolist()) for column in rows.T] for rows in groups]
    return np.array(sums).reshape(len(sizes), x.shape[1]) / sizes[:, None]
