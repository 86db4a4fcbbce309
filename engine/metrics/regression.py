"""What a model of numbers is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics.histogram import refuse_missing
from engine.metrics.losses import LOSSES, Params

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class RegressionScores:
    """Statistics of predicted numbers against labels; merges bit for bit in any order.

    Args:
        rows: Rows seen.
        label: Sum of labels.
        label_squares: Sum of squared labels, exact.
        error: Sum of prediction minus label.
        absolute: Sum of absolute errors.
        squares: Sum of squared errors.
        losses: Sums of other losses, by the name of the metric.
    """

    rows: int = 0
    label: ExactSum = field(default_factory=ExactSum)
    label_squares: ExactSum = field(default_factory=ExactSum)
    error: ExactSum = field(default_factory=ExactSum)
    absolute: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    losses: Mapping[str, ExactSum] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        p: Vector,
        losses: Sequence[str] = (),
        params: Params | None = None,
    ) -> RegressionScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels.
            p: Shape (n,), predictions.
            losses: Metrics of `engine.metrics.losses` that are wanted too.
            params: Their parameters, under LightGBM's names.

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
            ExactSum.of(error),
            ExactSum.of(np.abs(error)),
            ExactSum.of(error * error),
            {name: ExactSum.of(LOSSES[name](labels, guesses, params or {})) for name in losses},
        )

    def merge(self, other: RegressionScores) -> RegressionScores:
        """Return the statistics of both sets of rows."""
        names = self.losses if self.rows else other.losses
        none = ExactSum()
        return RegressionScores(
            self.rows + other.rows,
            self.label + other.label,
            self.label_squares + other.label_squares,
            self.error + other.error,
            self.absolute + other.absolute,
            self.squares + other.squares,
            {name: self.losses.get(name, none) + other.losses.get(name, none) for name in names},
        )

    def results(self) -> dict[str, float]:
        """Return the metrics by name; NaN without rows, r2 NaN when the labels do not vary."""
        if not self.rows:
            names = ("rmse", "mae", "r2", "bias", *self.losses)
            return {"rows": 0} | dict.fromkeys(names, float("nan"))
        spread = self.label_squares.fraction - self.label.fraction**2 / self.rows
        return {
            "rows": self.rows,
            "rmse": float(self.squares.fraction / self.rows) ** 0.5,
            "mae": self.absolute.value / self.rows,
            "r2": float(1 - self.squares.fraction / spread) if spread else float("nan"),
            "bias": self.error.value / self.rows,
            **{name: total.value / self.rows for name, total in self.losses.items()},
        }

    def curves(self) -> dict[str, Any]:
        """Return nothing: no figure is drawn of them."""
        return {}
