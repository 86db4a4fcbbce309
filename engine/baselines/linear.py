"""A linear model of all features: logistic regression of classes, ridge regression of numbers.

Numbers are standardised, a missing one is the mean, with a column that says so where any is;
categories have a column for each of the most frequent. The penalty is that of scikit-learn's
defaults: half the squared coefficients (``C = 1``) beside the summed log loss, the squared
coefficients (``alpha = 1``) beside the summed squares; the intercept is free.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.baselines.known import Known, Labels
from engine.calibration.classes import LEAST, sharpened
from engine.calibration.lines import logistic
from engine.models.additive import Additive, Line, Link, Part, Row, Steps
from engine.models.learned import X

LEVELS: Final = 50
"""Most frequent categories of a feature that have a column; others add nothing."""

COLUMNS: Final = 1_000
"""Most columns; features that predict best by themselves come first."""

CELLS: Final = 1 << 24
"""Cells of rows and columns that are fitted, at most: 128 MiB of float64. Fewer rows are drawn of a
larger sample."""

PRODUCTS: Final = 1 << 27
"""The same of rows, columns and outputs: a step of the solver takes some 0.2 s of a core."""

STEPS: Final = 200
"""Most steps of the solver."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Source:
    """Where columns come from: a number, or the levels of a category.

    Attributes:
        feature: Its position.
        mean: Of a number.
        scale: Its standard deviation; 0 for categories.
        levels: Codes that have a column, rising.
        missing: Whether the last column marks missing values.
    """

    feature: int
    mean: float = 0.0
    scale: float = 0.0
    levels: tuple[float, ...] = ()
    missing: bool = False

    @property
    def width(self) -> int:
        return (len(self.levels) or 1) + self.missing

    def columns(self, values: npt.NDArray[np.float32]) -> Matrix:
        """Return the columns: shape (n, width)."""
        gone = ~np.isfinite(values)
        if self.levels:
            own = values[:, None] == np.array(self.levels, np.float32)
        else:
            known = np.where(gone, self.mean, values.astype(np.float64))
            own = ((known - self.mean) / self.scale)[:, None]
        return np.hstack([own, gone[:, None]]) if self.missing else own.astype(np.float64)

    def part(self, weights: Matrix) -> Part:
        """Return what the feature adds, given its coefficients: (width, outputs)."""
        none: Row = (0.0,) * weights.shape[1]
        missing = tuple(weights[-1].tolist()) if self.missing else none
        if not self.levels:
            return Line(self.feature, self.mean, self.scale, tuple(weights[0].tolist()), missing)
        rows = [tuple(row) for row in weights[: len(self.levels)].tolist()]
        return Steps(self.feature, True, self.levels, (*rows, none, missing))


def linear(
    known: Known,
    x: X,
    y: Labels,
    draws: Labels,
    categorical: Collection[int],
    order: Sequence[int],
) -> Additive:
    """Fit a linear model.

    Args:
        known: What the label is.
        x: Shape (n, features): the sample.
        y: Shape (n,): labels, classes as codes.
        draws: Shape (n,): numbers in [0, 1); rows with the least are taken where not all are.
        categorical: Positions of features that hold codes.
        order: All features, those first that go first when there are too many.
    """
    sources = _chosen(x, categorical, order)
    width = sum(one.width for one in sources)
    most = min(CELLS // (width + 1), PRODUCTS // ((width + 1) * known.outputs))
    if len(y) > most:
        kept = draws <= np.partition(draws, most - 1)[most - 1]
        x, y = x[kept], y[kept]
    blocks = [one.columns(x[:, one.feature]) for one in sources]
    z = np.hstack(blocks) if blocks else np.empty((len(y), 0))
    weights, start = _solved(known, z, y)
    cuts = np.cumsum([one.width for one in sources])[:-1]
    pieces = np.split(weights, cuts) if sources else []
    parts = tuple(one.part(own) for one, own in zip(sources, pieces, strict=True))
    link: Link = _LINKS.get(known.task, "identity")
    # A loss of counts or amounts has no value below 0, where a line may lead.
    bounds = (float(y.min()), float(y.max())) if known.task == "regression" else None
    return Additive(x.shape[1], start, parts, link, bounds)


_LINKS: Final[dict[str, Link]] = {"binary": "logistic", "multiclass": "softmax"}


def _chosen(x: X, categorical: Collection[int], order: Sequence[int]) -> list[_Source]:
    """Return where the columns come from, in the order of the features."""
    chosen: list[_Source] = []
    width = 0
    for feature in order:
        source = _source(x[:, feature], feature, feature in categorical)
        if source is None:
            continue
        width += source.width
        if width > COLUMNS:
            break
        chosen.append(source)
    return sorted(chosen, key=lambda one: one.feature)


def _source(values: npt.NDArray[np.float32], feature: int, categorical: bool) -> _Source | None:
    """Return what becomes of a feature; None where it never changes."""
    there = values[np.isfinite(values)].astype(np.float64)
    missing = 0 < len(there) < len(values)
    if categorical:
        codes, counts = np.unique(there, return_counts=True)
        levels = np.sort(codes[np.argsort(-counts, kind="stable")[:LEVELS]])
        own = _Source(feature, levels=tuple(levels.tolist()), missing=missing)
        return own if own.width > 1 else None
    if not len(there):
        return None
    mean, scale = float(there.mean()), float(there.std())
    if scale > 0:
        return _Source(feature, mean, scale, missing=missing)
    return _Source(feature, mean, 1.0, missing=True) if missing else None


def _solved(known: Known, z: Matrix, y: Labels) -> tuple[Matrix, Row]:
    """Return coefficients (columns, outputs) and intercepts."""
    if known.task == "binary":
        return _logistic(z, y)
    if known.task == "multiclass":
        return _multinomial(z, y.astype(np.intp), known.classes)
    middle, mean = z.mean(axis=0), float(y.mean())
    off = z - middle
    gram = off.T @ off
    gram[np.diag_indices_from(gram)] += 1.0
    weights = np.linalg.solve(gram, off.T @ (y - mean))
    return weights[:, None], (mean - float(middle @ weights),)


def _logistic(z: Matrix, y: Labels) -> tuple[Matrix, Row]:
    share = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
    begin = np.zeros(z.shape[1] + 1)
    begin[-1] = np.log(share / (1 - share))

    def loss(w: Labels) -> tuple[float, Labels]:
        drawn = z @ w[:-1] + w[-1]
        off = logistic(drawn) - y
        value = np.logaddexp(0, drawn).sum() - y @ drawn + 0.5 * w[:-1] @ w[:-1]
        return float(value) / len(y), np.append(z.T @ off + w[:-1], off.sum()) / len(y)

    w = _least(loss, begin)
    return w[:-1, None], (float(w[-1]),)


def _multinomial(z: Matrix, codes: npt.NDArray[np.intp], classes: int) -> tuple[Matrix, Row]:
    counts, rows = np.bincount(codes, minlength=classes), np.arange(len(codes))
    begin = np.zeros((z.shape[1] + 1, classes))
    begin[-1] = np.log((counts + 0.5) / (len(codes) + 0.5 * classes))

    def loss(flat: Labels) -> tuple[float, Labels]:
        w = flat.reshape(-1, classes)
        p = sharpened(z @ w[:-1] + w[-1], 1.0)
        value = -np.log(np.maximum(p[rows, codes], LEAST)).sum()
        p[rows, codes] -= 1
        gradient = np.vstack([z.T @ p + w[:-1], p.sum(axis=0)])
        return float(value + 0.5 * (w[:-1] ** 2).sum()) / len(codes), gradient.ravel() / len(codes)

    w = _least(loss, begin.ravel()).reshape(-1, classes)
    return w[:-1], tuple(w[-1].tolist())


def _least(loss: object, begin: Labels) -> Labels:
    from scipy.optimize import minimize  # of the driver alone, and slow to load

    options = {"maxiter": STEPS, "maxfun": 2 * STEPS}
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, np.float64)
