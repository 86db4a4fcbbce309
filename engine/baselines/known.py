"""What is known of a task before a baseline is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.models.additive import Row

Labels = npt.NDArray[np.float64]

_MEDIAN = ("regression_l1", "l1", "mae", "mean_absolute_error")


@dataclass(frozen=True)
class Known:
    """A task with a label.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        classes: Number of classes of a multiclass task.
        objective: LightGBM's name of the loss, if there is one.
        alpha: Which quantile is predicted, where the objective is one.
    """

    task: str
    classes: int = 0
    objective: str | None = None
    alpha: float | None = None

    @property
    def quantile(self) -> float | None:
        """Which quantile of the label has the least loss; None: the mean has."""
        return 0.5 if self.objective in _MEDIAN else self.alpha

    @property
    def outputs(self) -> int:
        """Numbers that a prediction has."""
        return self.classes if self.task == "multiclass" else 1

    def best(self, y: Labels) -> Row:
        """Return the constant with the least loss on labels (n,), n at least 1, for each output.

        Of a ranking that is any number, of several classes their shares.
        """
        if self.task == "multiclass":
            counts = np.bincount(y.astype(np.int64), minlength=self.classes)
            return self.shares(counts.tolist())
        if self.quantile is not None:
            return (float(np.quantile(y, self.quantile)),)
        return (float(y.mean()),)

    def shares(self, counts: Sequence[int]) -> Row:
        """Return the share of each class among rows, given their counts."""
        total = sum(counts)
        return tuple(count / total for count in counts)
