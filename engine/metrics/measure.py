"""Which metrics belong to a task, and how rows are measured by them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.metrics.histogram import LIMIT
from engine.metrics.scores import BinaryScores, Scores, scores_for

Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Measure:
    """What a model is measured by.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        classes: Number of classes of a multiclass task.
    """

    task: str
    classes: int = 0

    @property
    def followed(self) -> tuple[str, ...]:
        """Metrics that are kept for each boosting round; the first is the task's own."""
        return {"binary": ("log_loss", "auc"), "regression": ("rmse", "mae")}[self.task]

    def empty(self) -> Scores:
        """Return the scores of no rows."""
        return scores_for(self.task)()

    def of(
        self,
        y: npt.NDArray[np.generic],
        p: Vector,
        query: npt.NDArray[np.uint64] | None = None,
        *,
        limit: int = LIMIT,
    ) -> Scores:
        """Score one block of rows.

        Args:
            y: Shape (n,), labels; classes as their codes.
            p: Shape (n,) or (n, classes): predictions.
            query: Shape (n,), which query a row belongs to, for ranking; those of one together.
            limit: Most distinct scores that are kept apart for an AUC.
        """
        if self.task == "binary":
            return BinaryScores.of(y, p, limit=limit)
        return scores_for(self.task).of(y, p)
