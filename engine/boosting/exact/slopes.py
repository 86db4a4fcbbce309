"""The derivatives of some rows, made anew each round and brought to the grid of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.exact.grid import Peaks, snap, step
from engine.boosting.exact.losses import LOSSES
from engine.boosting.exact.ranking import Queries

TILE = 1 << 16
"""Rows whose float64 values are held together; the rest is float32."""

Slopes = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""First and second derivatives, shape (n, outputs) each."""


@dataclass(frozen=True)
class Share:
    """The training rows that one booster has.

    Attributes:
        data: LightGBM's dataset of them.
        y: Shape (n,), labels.
        weight: Shape (n,), or None.
        queries: The queries that they make; None = no ranking.
    """

    data: Any
    y: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32] | None = None
    queries: Queries | None = None

    def slopes(self, scores: npt.NDArray[np.float64], params: Mapping[str, Any]) -> Slopes:
        """Return both derivatives as float32, not on any grid yet.

        Args:
            scores: Shape (n, outputs), raw scores.
            params: LightGBM's parameters.
        """
        if self.queries is not None:
            own = self.queries.slopes(np.ascontiguousarray(scores[:, 0]))
            first, second = (one.astype(np.float32)[:, None] for one in own)
        else:
            first, second = self._tiled(scores, params)
        if self.weight is not None:
            first *= self.weight[:, None]
            second *= self.weight[:, None]
        return first, second

    def _tiled(self, scores: npt.NDArray[np.float64], params: Mapping[str, Any]) -> Slopes:
        first, second = (np.empty(scores.shape, np.float32) for _ in range(2))
        loss = LOSSES[params["objective"]]
        for start in range(0, len(scores), TILE):
            rows = slice(start, start + TILE)
            # Contiguous: NumPy may compute the exponentials of others in another way.
            tile = np.ascontiguousarray(scores[rows])
            y = self.y[rows].astype(np.float64)[:, None]
            first[rows], second[rows] = loss(tile, y, params)
        return first, second


def aligned(slopes: Slopes, peaks: Peaks) -> None:
    """Bring derivatives, in place, to the grid of all rows.

    Args:
        slopes: Of some rows.
        peaks: Of the rows of all ranks.
    """
    for values, peak in zip(slopes, (peaks.first, peaks.second), strict=True):
        size = step(peak, peaks.rows)
        for start in range(0, len(values), TILE):
            snap(values[start : start + TILE], size)
