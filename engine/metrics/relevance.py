"""How good the order of rows within queries is: one value for each query and metric.

Formulas and ties are LightGBM's, so the means over queries are the values of its own metrics:
src/metric/rank_metric.hpp (``NDCGMetric``), dcg_calculator.cpp and map_metric.hpp of 4.7.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

GAINS: tuple[float, ...] = tuple(float((1 << label) - 1) for label in range(31))
"""Gain of each label, ``2**label - 1``: LightGBM's default ``label_gain``."""


@dataclass(frozen=True)
class RankMetrics:
    """What is measured of each query.

    Attributes:
        names: ``ndcg@k``, ``map@k`` and ``mrr``, in the order of the values.
        gains: Gain of each label, from 0.
    """

    names: tuple[str, ...]
    gains: tuple[float, ...] = GAINS

    def values(self, y: Floats, p: Floats, starts: Ints) -> Floats:
        """Return the value of each query, shape (queries, metrics).

        A query without relevant rows has 1 by ``ndcg`` and ``map``, as in LightGBM, and 0 by
        ``mrr`` (Voorhees 1999, "The TREC-8 Question Answering Track Report").

        Args:
            y: Shape (n,), labels: whole numbers with a gain.
            p: Shape (n,), scores; rows of the same score keep their order, as LightGBM's stable
                sort leaves them.
            starts: Shape (queries,), the row at which each query begins; the first is 0.
        """
        sizes = np.diff(np.append(starts, len(y)))
        query = np.repeat(np.arange(len(starts)), sizes)
        sorted_y = y[np.lexsort((-p, query))]
        # Sorting by query leaves each in its place, so positions are those of the rows.
        order = _Order(sorted_y, query, np.arange(len(y)) - starts[query], sizes)
        ideal = _Order(y[np.lexsort((-y, query))], query, order.position, sizes)
        columns = [self._column(name, order, ideal) for name in self.names]
        return np.stack(columns, axis=1) if columns else np.empty((len(starts), 0))

    def _column(self, name: str, order: _Order, ideal: _Order) -> Floats:
        kind, _, cut = name.partition("@")
        if kind == "ndcg":
            return _share(self._dcg(order, int(cut)), self._dcg(ideal, int(cut)))
        return order.average_precision(int(cut)) if kind == "map" else order.reciprocal_rank()

    def _dcg(self, order: _Order, cut: int) -> Floats:
        gains = np.array(self.gains)
        counted = order.position < cut
        labels, position = order.y[counted].astype(np.int64), order.position[counted]
        return order.summed(gains[labels] / np.log2(2.0 + position), counted)

    def refuse(self, y: Floats) -> None:
        """Raise MillraceError with the count when labels have no gain."""
        whole = y.astype(np.int64)
        odd = int(np.count_nonzero((whole != y) | (y < 0) | (y >= len(self.gains))))
        if odd:
            raise MillraceError(
                f"{odd} of {len(y)} labels are no whole numbers from 0 to {len(self.gains) - 1}",
                hint="the label of a ranking is how relevant a row is, in few degrees",
            )


@dataclass(frozen=True)
class _Order:
    """Rows of queries in the order of their scores.

    Attributes:
        y: Shape (n,), labels.
        query: Shape (n,), number of the row's query.
        position: Shape (n,), its place within the query, from 0.
        sizes: Shape (queries,), rows of each.
    """

    y: Floats
    query: Ints
    position: Ints
    sizes: Ints

    def summed(self, values: Floats, chosen: npt.NDArray[np.bool_]) -> Floats:
        """Add up the values of chosen rows by query: one after the other, as LightGBM does."""
        return np.bincount(self.query[chosen], values, len(self.sizes)).astype(np.float64)

    @property
    def relevant(self) -> npt.NDArray[np.bool_]:
        """Return the rows with a label above 0."""
        return self.y > 0

    def average_precision(self, cut: int) -> Floats:
        """Return the mean precision at the relevant rows among the first ``cut``."""
        hits = np.cumsum(self.relevant)
        starts = np.cumsum(self.sizes) - self.sizes
        before = np.append(0, hits)[starts]
        counted = self.relevant & (self.position < cut)
        precision = (hits - before[self.query])[counted] / (self.position[counted] + 1.0)
        total = np.bincount(self.query[self.relevant], minlength=len(self.sizes))
        best = np.minimum(total, np.minimum(cut, self.sizes))
        return _share(self.summed(precision, counted), best.astype(np.float64))

    def reciprocal_rank(self) -> Floats:
        """Return 1 over the place of the first relevant row, 0 without one."""
        found = np.zeros(len(self.sizes))
        chosen = np.flatnonzero(self.relevant)
        query, first = np.unique(self.query[chosen], return_index=True)
        found[query] = 1.0 / (self.position[chosen[first]] + 1.0)
        return found


def _share(of: Floats, best: Floats) -> Floats:
    """Return a part of the best that there can be; 1 where nothing can be reached."""
    return np.divide(of, best, out=np.ones_like(of), where=best > 0)
