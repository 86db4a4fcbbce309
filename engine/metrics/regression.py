"""What a model of numbers is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum, nearest
from engine.metrics import confidence
from engine.metrics.confidence import Both, Interval, added
from engine.metrics.counted import DISTINCT, ValueCounts
from engine.metrics.error_detail import ErrorDetail
from engine.metrics.explained import SHARES, saved
from engine.metrics.histogram import refuse_missing
from engine.metrics.losses import LOSSES, ROOTED, Params
from engine.metrics.scores import asked, mean

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class RegressionScores:
    """Statistics of predicted numbers against labels; merges bit for bit in any order.

    Args:
        rows: Rows seen.
        label: Sum of labels.
        label_squares: Sum of squared labels.
        error: Sum of prediction minus label.
        squares: Sum of squared errors.
        absolute: Sum of absolute errors.
        losses: Sums of other losses, and of their squares, by the name of the metric.
        detail: What only an evaluation tells; ``None`` for the rounds of a training.
        labels: Rows by label; none unless a metric of `engine.metrics.explained` is wanted.
        shares: Names of these metrics.
        params: Parameters of the losses that they are shares of.
    """

    rows: int = 0
    label: ExactSum = field(default_factory=ExactSum)
    label_squares: ExactSum = field(default_factory=ExactSum)
    error: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    absolute: ExactSum = field(default_factory=ExactSum)
    losses: Mapping[str, Both] = field(default_factory=dict)
    detail: ErrorDetail | None = field(default_factory=ErrorDetail)
    labels: ValueCounts = field(default_factory=ValueCounts)
    shares: tuple[str, ...] = ()
    params: Params = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        p: Vector,
        losses: Sequence[str] = (),
        params: Params | None = None,
        *,
        whole: bool = True,
        shares: Sequence[str] = (),
        limit: int = DISTINCT,
    ) -> RegressionScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels.
            p: Shape (n,), predictions.
            losses: Metrics of `engine.metrics.losses` that are wanted too.
            params: Their parameters, under LightGBM's names.
            whole: Whether what only an evaluation tells is counted too.
            shares: Metrics of `engine.metrics.explained` that are wanted too, whose losses are
                among ``losses``.
            limit: Most distinct errors and labels that are kept apart.

        Raises:
            MillraceError: On NaN or infinite values, unequal lengths, or values that have no such
                loss.
        """
        if y.shape != p.shape or y.ndim != 1:
            raise MillraceError(f"labels have shape {y.shape}, predictions {p.shape}")
        refuse_missing(y, p)
        # Contiguous float64, so that logarithms take the same path wherever a block is cut.
        labels, guesses = (np.ascontiguousarray(values, np.float64) for values in (y, p))
        error = guesses - labels
        return cls(
            len(labels),
            *ExactSum.of_both(labels),
            *ExactSum.of_both(error),
            ExactSum.of(np.abs(error)),
            {n: ExactSum.of_both(LOSSES[n](labels, guesses, params or {})) for n in losses},
            ErrorDetail.of(labels, guesses, limit) if whole else None,
            ValueCounts.of(labels, limit) if shares else ValueCounts(),
            tuple(shares),
            params or {},
        )

    def merge(self, other: RegressionScores) -> RegressionScores:
        """Return the statistics of both sets of rows."""
        names = self.losses if self.rows else other.losses
        none = (ExactSum(), ExactSum())
        one, two = self.detail, other.detail
        return RegressionScores(
            self.rows + other.rows,
            self.label + other.label,
            self.label_squares + other.label_squares,
            self.error + other.error,
            self.squares + other.squares,
            self.absolute + other.absolute,
            {n: added(self.losses.get(n, none), other.losses.get(n, none)) for n in names},
            one.merge(two) if one is not None and two is not None else None,
            self.labels.merge(other.labels),
            self.shares or other.shares,
            self.params or other.params,
        )

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN without rows.

        ``r2`` and ``explained_variance`` (which forgives a constant bias) are NaN when the labels
        do not vary (scikit-learn: 0 or 1), ``rmsle`` where a label or prediction is -1 or less
        (scikit-learn refuses them).

        Args:
            names: The ones that are wanted; all unless told.
        """
        detail = self.detail.results(self.rows) if self.detail is not None else {}
        return asked(
            {
                "rows": lambda: self.rows,
                "rmse": lambda: mean(self.squares.value, self.rows) ** 0.5,
                "mae": lambda: mean(self.absolute.value, self.rows),
                "r2": self._r2,
                "explained_variance": self._explained,
                "bias": lambda: mean(self.error.value, self.rows),
                **{name: partial(float, value) for name, value in detail.items()},
                **{name: partial(self._loss, name) for name in self.losses},
                **{name: partial(self._share, name) for name in self.shares},
            },
            names,
        )

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of the metrics; `engine.metrics.confidence` says how."""
        rows, detail = self.rows, self.detail
        found = {
            "mae": confidence.of_mean(self.absolute, self.squares, rows, level),
            "bias": confidence.of_mean(self.error, self.squares, rows, level),
        }
        if detail is not None:
            found |= detail.intervals(self.squares, rows, level)
            found |= detail.fits(self._r2(), self._explained(), level)
        for name, sums in self.losses.items():
            way = confidence.of_root if name in ROOTED else confidence.of_mean
            found[name] = way(*sums, rows, level)
        return found

    def curves(self) -> dict[str, Any]:
        """Return what a report draws: rows by prediction and residual, unless there are none."""
        if self.detail is None or not self.detail.table.counts.size:
            return {}
        return {"residuals": self.detail.table.figure()}

    def _share(self, name: str) -> float:
        share = SHARES[name]
        return saved(self.results({share.loss})[share.loss], share.lost(self.labels, self.params))

    def _loss(self, name: str) -> float:
        value = mean(self.losses[name][0].value, self.rows)
        return value**0.5 if name in ROOTED else value

    def _r2(self) -> float:
        return self._kept(self.squares.fraction)

    def _explained(self) -> float:
        if not self.rows:
            return float("nan")
        return self._kept(self.squares.fraction - self.error.fraction**2 / self.rows)

    def _kept(self, lost: Fraction) -> float:
        """Return the share of the labels' variation that is not lost."""
        if not self.rows:
            return float("nan")
        spread = self.label_squares.fraction - self.label.fraction**2 / self.rows
        return nearest(1 - lost / spread) if spread else float("nan")
