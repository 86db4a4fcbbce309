"""What a reduction of dimensions keeps of some rows: statistics that merge without rounding."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum, nearest
from engine.metrics.confidence import LEVEL, Both, Interval, added
from engine.metrics.scores import asked


@dataclass(frozen=True)
class ReductionScores:
    """Sums of features and of components; merges bit for bit in any order.

    Attributes:
        rows: Rows seen.
        components: Sums of each component and of its squares; none without rows.
        features: Those of each feature; none where features are not known.
    """

    rows: int = 0
    components: tuple[Both, ...] = ()
    features: tuple[Both, ...] = ()

    @classmethod
    def of(
        cls, p: npt.NDArray[np.floating], x: npt.NDArray[np.float32] | None = None
    ) -> ReductionScores:
        """Measure one block of rows.

        Args:
            p: Shape (n, components), finite.
            x: Shape (n, features), finite: what was reduced.

        Raises:
            MillraceError: On another shape, or values that are missing or infinite.
        """
        if p.ndim != 2:
            raise MillraceError(f"a reduction has shape (rows, components), not {p.shape}")
        if not len(p):
            return cls()
        return cls(len(p), _sums(p), () if x is None else _sums(x))

    def merge(self, other: ReductionScores) -> ReductionScores:
        """Return the statistics of both sets of rows."""
        if not (self.rows and other.rows):
            return self if self.rows else other
        return ReductionScores(
            self.rows + other.rows,
            tuple(map(added, self.components, other.components)),
            tuple(map(added, self.features, other.features)),
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN where there is nothing to tell.

        ``explained_variance_ratio`` is the variance of all components over that of all features, on
        these rows: scikit-learn's ``explained_variance_ratio_.sum()``, which is of the rows that
        were fitted. It says nothing of components that were scaled to one variance (``whiten``).

        Args:
            names: The ones that are wanted; all unless told.
        """
        return asked(
            {
                "rows": lambda: self.rows,
                "components": lambda: len(self.components),
                "explained_variance_ratio": self._explained,
            },
            names,
        )

    def intervals(self, level: float = LEVEL) -> dict[str, Interval]:
        """Return nothing: the variance of a ratio of variances is not kept."""
        return {}

    def curves(self) -> dict[str, Any]:
        """Return the share of the variance that each component explains, if it is known."""
        total = self._variance(self.features)
        if not total:
            return {}
        shares = [nearest(self._variance((both,)) / total) for both in self.components]
        return {"explained_variance_ratio": shares}

    def _explained(self) -> float:
        total = self._variance(self.features)
        return nearest(self._variance(self.components) / total) if total else float("nan")

    def _variance(self, columns: tuple[Both, ...]) -> Fraction:
        """Return the sum of squared distances to the mean, over columns."""
        spread = (both[1].fraction - both[0].fraction ** 2 / self.rows for both in columns)
        return sum(spread, Fraction())


def _sums(values: npt.NDArray[np.floating]) -> tuple[Both, ...]:
    if missing := int(np.count_nonzero(~np.isfinite(values).all(axis=1))):
        raise MillraceError(
            f"{missing} of {len(values)} rows hold missing or infinite values: no variance is told",
            hint="impute the features before they are reduced",
        )
    return tuple(ExactSum.of_both(np.ascontiguousarray(column)) for column in values.T)
