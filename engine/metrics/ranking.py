"""What a ranking is worth on some rows: statistics that merge without rounding, in row order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics import confidence
from engine.metrics.confidence import Both, Interval, added
from engine.metrics.histogram import refuse_missing
from engine.metrics.relevance import RankMetrics
from engine.metrics.scores import mean
from engine.queries import starts_of

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Run:
    """The rows of a query that may have more rows in another part.

    Attributes:
        query: Which one.
        y: Shape (n,), labels, float64.
        p: Shape (n,), scores, float64.
    """

    query: int
    y: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]

    def followed_by(self, other: Run) -> Run:
        """Return the rows of both, which are of one query."""
        return Run(self.query, np.append(self.y, other.y), np.append(self.p, other.p))


@dataclass(frozen=True, eq=False)
class RankingScores:
    """Statistics of scores within queries; parts merge in the order of their rows.

    The first and the last query are kept as they are, since the part before or after may hold
    more of them; the values of all others are summed.

    Attributes:
        metrics: What is measured.
        rows: Rows seen.
        queries: Queries in the sums.
        sums: Sum over these queries of each metric, and of its square.
        ends: The first and the last query; one of them when there is only one, none without rows.
    """

    metrics: RankMetrics
    rows: int = 0
    queries: int = 0
    sums: tuple[Both, ...] = ()
    ends: tuple[Run, ...] = ()

    @classmethod
    def empty(cls, metrics: RankMetrics) -> RankingScores:
        """Return the statistics of no rows."""
        return cls(metrics, sums=tuple((ExactSum(), ExactSum()) for _ in metrics.names))

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64],
        metrics: RankMetrics,
    ) -> RankingScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels: whole numbers with a gain.
            p: Shape (n,), scores; a higher one comes first.
            query: Shape (n,), equal for rows of one query, which stand together.
            metrics: What is measured.

        Raises:
            MillraceError: On NaN, labels without a gain, or unequal lengths.
        """
        labels, scores = _checked(y, p, query, metrics)
        starts = starts_of(query)
        if not len(starts):
            return cls.empty(metrics)
        bounds = [(0, starts[1])] if len(starts) > 1 else []
        bounds.append((starts[-1], len(y)))
        ends = (Run(int(query[a]), labels[a:b], scores[a:b]) for a, b in bounds)
        inner, begins = slice(bounds[0][1], starts[-1]), starts[1:-1]
        sums = _summed(metrics, labels[inner], scores[inner], begins - bounds[0][1])
        return cls(metrics, len(y), len(begins), sums, tuple(ends))

    def merge(self, other: RankingScores) -> RankingScores:
        """Return the statistics of both; the rows of ``other`` follow."""
        if not (self.ends and other.ends):
            return self if self.ends else other
        runs = [*self.ends, *other.ends]
        seam = len(self.ends)
        if runs[seam - 1].query == runs[seam].query:
            runs[seam - 1 : seam + 1] = [runs[seam - 1].followed_by(runs[seam])]
        closed = self._closed(runs[1:-1])
        sums = zip(self.sums, other.sums, closed, strict=True)
        return RankingScores(
            self.metrics,
            self.rows + other.rows,
            self.queries + other.queries + len(runs[1:-1]),
            tuple(added(added(a, b), c) for a, b, c in sums),
            tuple(runs[:1] + runs[1:][-1:]),
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return rows, queries and the mean of each metric over the queries; NaN without rows.

        Args:
            names: The ones that are wanted; all unless told.
        """
        queries = self.queries + len(self.ends)
        counts: dict[str, float] = {"rows": self.rows, "queries": queries}
        found = {name: mean(total.value, queries) for name, (total, _) in self._totals().items()}
        return {n: v for n, v in (counts | found).items() if names is None or n in names}

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return the normal interval of each mean over the queries, taken for independent."""
        queries = self.queries + len(self.ends)
        totals = self._totals().items()
        return {name: confidence.of_mean(*both, queries, level) for name, both in totals}

    def curves(self) -> dict[str, Any]:
        """Return nothing: no figure is drawn of them."""
        return {}

    def _totals(self) -> dict[str, Both]:
        """Return the sums over all queries, those at the ends too."""
        sums = zip(self.sums, self._closed(self.ends), strict=True)
        return dict(zip(self.metrics.names, (added(*both) for both in sums), strict=True))

    def _closed(self, runs: Sequence[Run]) -> tuple[Both, ...]:
        """Return the sums over queries that have all their rows."""
        sizes = [len(run.y) for run in runs]
        y = np.concatenate([run.y for run in runs]) if runs else np.empty(0)
        p = np.concatenate([run.p for run in runs]) if runs else np.empty(0)
        return _summed(self.metrics, y, p, np.cumsum([0, *sizes[:-1]])[: len(runs)])


def _checked(
    y: npt.NDArray[np.generic],
    p: Vector,
    query: npt.NDArray[np.uint64],
    metrics: RankMetrics,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return labels and scores as float64, after checking them."""
    if not y.shape == p.shape == query.shape or y.ndim != 1:
        shapes = f"labels {y.shape}, scores {p.shape}, queries {query.shape}"
        raise MillraceError(f"a ranking needs one of each for every row: {shapes}")
    refuse_missing(y, p)
    labels = y.astype(np.float64)
    metrics.refuse(labels)
    return labels, p.astype(np.float64)


def _summed(
    metrics: RankMetrics,
    y: npt.NDArray[np.float64],
    p: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
) -> tuple[Both, ...]:
    values = metrics.values(y, p, starts)
    return tuple(ExactSum.of_both(values[:, column]) for column in range(values.shape[1]))
