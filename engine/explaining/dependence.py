"""What a model says on average when one feature has a value, whatever the others are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.bundle import Bundle
from engine.explaining.drawn import Drawn

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Dependence:
    """Partial dependence on one feature, and the curves of some rows.

    Attributes:
        grid: Values of the feature, rising; codes of a category.
        mean: Shape (grid,) or (grid, classes): the mean prediction at each value.
        curves: Shape (curves, grid): predictions of single rows (ICE), of several classes that of
            the row's most probable one.
    """

    grid: Vector
    mean: Vector
    curves: Vector

    def told(self) -> dict[str, Any]:
        """Return it as plain data, six digits each."""
        return {
            "grid": _short(self.grid),
            "mean": _short(self.mean),
            "ice": _short(self.curves),
        }


def dependence(
    bundle: Bundle, rows: Drawn, feature: int, *, grid: int, curves: int, category: bool
) -> Dependence:
    """Compute the partial dependence on a feature.

    Sources: Friedman, "Greedy function approximation" (2001), section 8.2; Goldstein et al.,
    "Peeking inside the black box" (2015), for the curves of single rows.

    Args:
        bundle: The model.
        rows: The sample; the first ``curves`` rows, which are drawn, have curves of their own.
        feature: Position of the feature.
        grid: Most values of it: all that there are, or quantiles from 5 to 95 %.
        curves: Rows with a curve.
        category: Whether values are codes; then the most frequent ones are taken.
    """
    values = _grid(rows.x[:, feature], grid, category)
    x, means, single = rows.x.copy(), [], []
    few = min(curves, rows.rows)
    said = bundle.calibrated(bundle.model.predict(rows.x[:few]))
    chosen = said.argmax(axis=1) if said.ndim > 1 else None
    for value in values:
        x[:, feature] = value
        found = bundle.calibrated(bundle.model.predict(x))
        means.append(found.mean(axis=0))
        some = found[:few]
        single.append(some if chosen is None else some[np.arange(few), chosen])
    return Dependence(
        values.astype(np.float64), np.array(means, np.float64), np.array(single, np.float64).T
    )


def _grid(values: npt.NDArray[np.float32], most: int, category: bool) -> npt.NDArray[np.float32]:
    known = values[~np.isnan(values)]
    kinds, counts = np.unique(known, return_counts=True)
    if len(kinds) <= most:
        return kinds
    if category:
        return np.sort(kinds[np.argsort(-counts, kind="stable")[:most]])
    return np.unique(np.quantile(known, np.linspace(0.05, 0.95, most)).astype(np.float32))


def _short(values: Vector) -> list[Any]:
    rounded = np.array([float(f"{one:.6g}") for one in values.ravel()]).reshape(values.shape)
    told: list[Any] = rounded.tolist()
    return told
