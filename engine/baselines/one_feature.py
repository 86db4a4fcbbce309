"""The best single feature: what a small table of its bins predicts.

Features are compared by how well the table of one half of the sample predicts the other half, both
ways, so that one with many bins has no advantage. The table of the best is made of all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.baselines.known import Known, Labels
from engine.metrics.binary import CLIP
from engine.models.additive import Additive, Steps
from engine.models.learned import X

BINS: Final = 32
"""Bins of a number by quantiles, or most frequent categories, of which each has a row at most."""

PRIOR: Final = 10.0
"""Rows of the sample's mean that are added to each bin: a bin of few rows says little."""

Places = npt.NDArray[np.intp]
Table = npt.NDArray[np.float64]


def ranked(known: Known, x: X, y: Labels, draws: Labels, categorical: Collection[int]) -> list[int]:
    """Return all features, the one that predicts best by itself first.

    Args:
        known: What the label is.
        x: Shape (n, features): the sample.
        y: Shape (n,): labels, classes as codes.
        draws: Shape (n,): numbers in [0, 1) that cut the sample into halves.
        categorical: Positions of features that hold codes.
    """
    first = draws < 0.5
    if first.all() or not first.any():  # too few rows to compare anything
        return list(range(x.shape[1]))
    losses = [_loss(known, x[:, i], y, first, i in categorical) for i in range(x.shape[1])]
    return [int(place) for place in np.argsort(losses, kind="stable")]


def one_feature(known: Known, x: X, y: Labels, feature: int, categorical: bool) -> Additive:
    """Return the table of a feature as a model; arguments as for `ranked`."""
    column = x[:, feature]
    cuts = tuple(map(float, _cuts(column, categorical)))
    empty = Steps(feature, categorical, cuts, ())
    table = _table(known, empty.places(column), y, len(cuts) + 2)
    values = tuple(tuple(row) for row in table.tolist())
    steps = Steps(feature, categorical, cuts, values)
    return Additive(x.shape[1], (0.0,) * known.outputs, (steps,))


def _loss(
    known: Known,
    column: npt.NDArray[np.float32],
    y: Labels,
    first: npt.NDArray[np.bool_],
    categorical: bool,
) -> float:
    """Return what tables of one half lose on the other half, both ways."""
    cuts = _cuts(column, categorical)
    places = Steps(0, categorical, tuple(map(float, cuts)), ()).places(column)
    lost = 0.0
    for half in (first, ~first):
        table = _table(known, places[half], y[half], len(cuts) + 2)
        lost += float(_LOSSES[_kind(known)](known, table, places[~half], y[~half]).sum())
    return lost


def _cuts(column: npt.NDArray[np.float32], categorical: bool) -> npt.NDArray[np.float32]:
    """Return where bins begin, the first apart; or the most frequent codes, sorted."""
    there = column[np.isfinite(column)]
    if not len(there):
        return there
    if categorical:
        codes, counts = np.unique(there, return_counts=True)
        return np.sort(codes[np.argsort(-counts, kind="stable")[: BINS - 2]])
    values = np.sort(there)
    inner = values[(np.arange(1, BINS) * len(values)) // BINS]
    return np.unique(inner[inner > values[0]])


def _table(known: Known, places: Places, y: Labels, bins: int) -> Table:
    """Return what each bin predicts, drawn towards the whole: shape (bins, outputs)."""
    whole, rows = np.array(known.best(y)), np.bincount(places, minlength=bins)
    if known.quantile is not None and known.task == "regression":
        return _quantiles(known, places, y, rows, float(whole[0]))
    if known.task == "multiclass":
        cells = places * known.classes + y.astype(np.intp)
        counts = np.bincount(cells, minlength=bins * known.classes)
        sums: Labels = counts.reshape(bins, known.classes).astype(np.float64)
    else:
        sums = np.bincount(places, weights=y, minlength=bins)[:, None].astype(np.float64)
    return np.asarray((sums + PRIOR * whole) / (rows[:, None] + PRIOR))


def _quantiles(
    known: Known, places: Places, y: Labels, rows: npt.NDArray[np.intp], whole: float
) -> Table:
    """Return the quantile of each bin, weighted with that of the whole as means are."""
    order = np.argsort(places, kind="stable")
    pieces = np.split(y[order], np.cumsum(rows)[:-1])
    own = [float(np.quantile(one, known.quantile or 0.5)) if len(one) else whole for one in pieces]
    return np.asarray(((rows * own + PRIOR * whole) / (rows + PRIOR))[:, None])


Losses = Callable[[Known, Table, Places, Labels], Labels]


def _logarithmic(known: Known, table: Table, places: Places, y: Labels) -> Labels:
    if known.task == "multiclass":
        likelihood = table[places, y.astype(np.intp)]
    else:
        likelihood = np.where(y > 0, table[places, 0], 1 - table[places, 0])
    return np.asarray(-np.log(np.maximum(likelihood, CLIP)))


def _squared(known: Known, table: Table, places: Places, y: Labels) -> Labels:
    return np.asarray((y - table[places, 0]) ** 2)


def _pinball(known: Known, table: Table, places: Places, y: Labels) -> Labels:
    alpha, off = known.quantile or 0.5, y - table[places, 0]
    return np.asarray(np.maximum(alpha * off, (alpha - 1) * off))


_LOSSES: Final[dict[str, Losses]] = {
    "classes": _logarithmic,
    "number": _squared,
    "quantile": _pinball,
}


def _kind(known: Known) -> str:
    if known.task in ("binary", "multiclass"):
        return "classes"
    return "quantile" if known.task == "regression" and known.quantile is not None else "number"
