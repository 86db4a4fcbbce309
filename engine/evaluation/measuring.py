"""What measures rows in a pass, and what it is given of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engine.calibration import Counted
from engine.metrics import LIMIT, Measure, Scores
from engine.metrics.residuals import Residuals


@dataclass(frozen=True)
class Block:
    """Some rows and what a model says of them.

    Attributes:
        y: Shape (n,), labels; codes of classes; None: the task has none.
        p: Shape (n,) or (n, k), predictions.
        query: Shape (n,), which query a row belongs to; None: nothing is ranked.
        x: Shape (n, features), of a task without a label, whose metrics look at them; else None.
        numbers: Shape (n,), row numbers in the data set.
    """

    y: npt.NDArray[np.float32] | None
    p: npt.NDArray[np.float64]
    query: npt.NDArray[np.uint64] | None
    x: npt.NDArray[np.float32] | None
    numbers: npt.NDArray[np.uint64]

    def where(self, here: npt.NDArray[np.bool_]) -> Block:
        """Return some of the rows, given by a mask (n,)."""
        return Block(
            None if self.y is None else self.y[here],
            self.p[here],
            None if self.query is None else self.query[here],
            None if self.x is None else self.x[here],
            self.numbers[here],
        )

    def saying(self, p: npt.NDArray[np.float64]) -> Block:
        """Return the rows with other predictions."""
        return replace(self, p=p)


class Measuring(Protocol):
    """Makes scores of rows."""

    def of(self, block: Block) -> Scores:
        """Return the scores of a block of rows."""


@dataclass(frozen=True)
class Metrics:
    """Measures by the metrics of a task.

    Attributes:
        measure: Which they are.
        limit: Most distinct scores that are kept apart. Where there are more, metrics that need the
            order of the scores (an AUC) have a bound on their error beside them.
    """

    measure: Measure
    limit: int = LIMIT

    def of(self, block: Block) -> Scores:
        """Return the metrics of a block of rows."""
        return self.measure.of(
            block.y, block.p, block.query, x=block.x, rows=block.numbers, limit=self.limit
        )


@dataclass(frozen=True)
class Counts:
    """Counts labelled rows for what is fitted to them.

    Attributes:
        counter: What counts them.
    """

    counter: Counted | Residuals

    def of(self, block: Block) -> Scores:
        """Return the counts of a block of rows."""
        assert block.y is not None
        return self.counter.of(block.y, block.p)
