"""What a clustering is worth on some rows: statistics that merge without rounding, and a sample."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics import confidence
from engine.metrics.confidence import Interval
from engine.metrics.sample import RowSample
from engine.metrics.scores import asked, mean
from engine.metrics.separation import calinski_harabasz, davies_bouldin, silhouette


@dataclass(frozen=True, eq=False)
class ClusteringScores:
    """Statistics of rows by the cluster that each is given; merges bit for bit in any order.

    Attributes:
        sizes: Rows of each cluster, from 0 on, up to the last that has any.
        alone: Rows that were given none.
        squares: Sum of squared distances of the others to their clusters.
        fourths: Sum of the squares of these.
        distances: Rows that have a distance; a model without centres tells none.
        sample: Rows with a cluster, drawn from all: empty where features are not known.
    """

    sizes: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    alone: int = 0
    squares: ExactSum = field(default_factory=ExactSum)
    fourths: ExactSum = field(default_factory=ExactSum)
    distances: int = 0
    sample: RowSample = field(default_factory=RowSample)

    @classmethod
    def of(
        cls,
        p: npt.NDArray[np.floating],
        x: npt.NDArray[np.float32] | None = None,
        rows: npt.NDArray[np.uint64] | None = None,
    ) -> ClusteringScores:
        """Measure one block of rows.

        Args:
            p: Shape (n, 2): the cluster, -1 for none, and the distance to it, NaN where unknown.
            x: Shape (n, features), the features; without them there is no sample.
            rows: Shape (n,), row numbers in the data set, which decide what is drawn.

        Raises:
            MillraceError: On clusters that are no whole numbers from -1 on, or another shape.
        """
        if p.ndim != 2 or p.shape[1] != 2:
            raise MillraceError(f"a clustering has shape (rows, 2), not {p.shape}")
        cluster = np.nan_to_num(p[:, 0], nan=-2.0).astype(np.int64)
        odd = int(np.count_nonzero((cluster != p[:, 0]) | (cluster < -1)))
        if odd:
            raise MillraceError(f"{odd} of {len(p)} clusters are no whole numbers from -1 on")
        given = cluster >= 0
        distance = p[given, 1].astype(np.float64)
        distance = distance[~np.isnan(distance)]
        sample = RowSample()
        if x is not None and rows is not None:
            sample = RowSample.of(x[given], cluster[given], rows[given])
        return cls(
            np.bincount(cluster[given]).astype(np.int64),
            len(p) - int(np.count_nonzero(given)),
            *ExactSum.of_both(distance * distance),
            len(distance),
            sample,
        )

    def merge(self, other: ClusteringScores) -> ClusteringScores:
        """Return the statistics of both sets of rows."""
        sizes = np.zeros(max(len(self.sizes), len(other.sizes)), np.int64)
        for part in (self.sizes, other.sizes):
            sizes[: len(part)] += part
        return ClusteringScores(
            sizes,
            self.alone + other.alone,
            self.squares + other.squares,
            self.fourths + other.fourths,
            self.distances + other.distances,
            self.sample.merge(other.sample),
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN where there is nothing to tell.

        ``inertia`` is the sum of squared distances to the clusters, over all rows.
        ``silhouette``, ``calinski_harabasz`` and ``davies_bouldin`` are those of ``sampled`` rows
        that have a cluster, drawn from all.

        Args:
            names: The ones that are wanted; all unless told.
        """
        given, whole = int(self.sizes.sum()), self.distances > 0
        drawn = (self.sample.x, self.sample.labels)
        largest = int(self.sizes.max(initial=0))
        return asked(
            {
                "rows": lambda: given + self.alone,
                "clusters": lambda: int(np.count_nonzero(self.sizes)),
                "largest_cluster": lambda: mean(largest, given + self.alone),
                "unassigned": lambda: mean(self.alone, given + self.alone),
                "inertia": lambda: self.squares.value if whole else float("nan"),
                "mean_squared_distance": lambda: mean(self.squares.value, self.distances),
                "sampled": lambda: len(self.sample.rows),
                "silhouette": lambda: silhouette(*drawn),
                "calinski_harabasz": lambda: calinski_harabasz(*drawn),
                "davies_bouldin": lambda: davies_bouldin(*drawn),
            },
            names,
        )

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of what is a mean over the rows."""
        low, high = confidence.of_mean(self.squares, self.fourths, self.distances, level)
        rows = int(self.sizes.sum()) + self.alone
        return {
            "inertia": (low * self.distances, high * self.distances),
            "mean_squared_distance": (low, high),
            "unassigned": confidence.wilson(self.alone, rows, level),
        }

    def curves(self) -> dict[str, Any]:
        """Return the rows of each cluster."""
        return {"cluster_sizes": self.sizes.tolist()}
