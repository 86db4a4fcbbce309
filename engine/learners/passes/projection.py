"""dask-ml's PCA and TruncatedSVD, by the QR decomposition of each block of rows.

Both take the QR decomposition of every block, stack the triangles, and decompose the stack
(`dask.array.linalg.tsqr`; Benson, Gleich and Demmel 2013, "Direct QR factorizations for
tall-and-skinny matrices in MapReduce architectures"). That is as exact as in memory.

- PCA's ``randomized`` holds a matrix of (rows, components) on the cluster and is not exact; it is
  refused, and with it ``auto``, which chooses it. `PCA.transform` of dask-ml 2025.1 lacks an
  attribute that scikit-learn asks for (dask/dask-ml#1023; #1024 is open): scoring has its own.
- TruncatedSVD computes the rows along the components to tell their variance, for which all blocks
  of Q would be held until the stack is decomposed. With ``compute=False`` it computes nothing; the
  components are asked for alone, and the variances in a pass of their own.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.errors import SpecError
from engine.learners.lesson import Assignment
from engine.learners.passes import params
from engine.learners.passes.matrices import Floats, block_rows
from engine.learners.passes.training import Fitted, Training
from engine.models.projection import Projection

_EXACT = "the randomized one holds a matrix as long as the data, and is not exact"

PCA_OPTIONS: Final[params.Options] = {
    "n_components": params.whole(None),
    "whiten": params.flag(False),
    "svd_solver": params.one_of(("full", "tsqr"), _EXACT),
}

SVD_OPTIONS: Final[params.Options] = {
    "n_components": params.whole(2),
    "algorithm": params.one_of(("tsqr",), _EXACT),
}

COPIES: Final = 6
"""Blocks held by a task: rows, less the mean, the copy that LAPACK works in, Q, two of slack."""

STACK: Final = 3
"""Copies of the stack of triangles: as they came, as one matrix, as LAPACK works in it."""


def check(assignment: Assignment) -> None:
    """Refuse what cannot be."""
    params.settings(assignment, options(assignment))


def options(assignment: Assignment) -> params.Options:
    """Return what may be said of the estimator."""
    return PCA_OPTIONS if assignment.estimator.path.endswith(":PCA") else SVD_OPTIONS


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read after the first look, in words."""
    if options(assignment) is PCA_OPTIONS:
        return ("the mean", "a QR decomposition of each block of rows", "the mean, to be kept")
    return ("a QR decomposition of each block of rows", "the variance along the components")


def stack(rows: int, features: int) -> int:
    """Return the bytes of the stack of triangles, which one worker decomposes."""
    step = block_rows(features)
    return -(-rows // step) * min(rows, step, features) * features * 8 * STACK


def fit(training: Training) -> Fitted:
    """Find the components.

    Raises:
        SpecError: There are not so many.
    """
    given = params.settings(training.assignment, options(training.assignment))
    pca = options(training.assignment) is PCA_OPTIONS
    rows, features = training.matrices.rows, training.matrices.features
    most = min(rows, features) if pca else min(rows, features - 1)
    if (given["n_components"] or 1) > most:
        raise SpecError(
            f"{rows:,} rows of {features} features have at most {most} components",
            where=f"{params.WHERE}.n_components",
        )
    with training.computing.in_charge():
        model, told = (_pca if pca else _svd)(training, given)
    return Fitted(model, told={**told, "passes": training.computing.passes})


def _pca(training: Training, given: dict[str, Any]) -> tuple[Projection, dict[str, Any]]:
    x = training.arrays(training.columns).x
    estimator = params.class_of(training.assignment.estimator.path)(**given)
    estimator.fit(x)
    deviation = np.sqrt(estimator.explained_variance_)
    scale = deviation if given["whiten"] else np.ones_like(deviation)
    model = Projection(estimator.components_, np.asarray(estimator.mean_.compute()), scale)
    return model, _told(estimator.explained_variance_, estimator.explained_variance_ratio_)


def _svd(training: Training, given: dict[str, Any]) -> tuple[Projection, dict[str, Any]]:
    from dask.base import compute

    x = training.arrays(training.columns).x
    kind = params.class_of(training.assignment.estimator.path)
    estimator = kind(**given, compute=False).fit(x)
    components = np.asarray(estimator.components_.compute())
    along = x.dot(components.T)
    variance, total = compute(along.var(axis=0), x.var(axis=0).sum())
    model = Projection(components, np.zeros(x.shape[1]), np.ones(len(components)))
    return model, _told(variance, variance / total)


def _told(variance: Floats, ratio: Floats) -> dict[str, Any]:
    return {
        "explained_variance": np.asarray(variance).tolist(),
        "explained_variance_ratio": np.asarray(ratio).tolist(),
    }
