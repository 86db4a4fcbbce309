"""The metric of the rows that a fold holds out, after a round: only the one that decides.

`engine.metrics.Measure` counts scores for every metric of a task, exactly and so that parts merge.
A trial needs one number of rows that lie in one process: of two classes, where counting the scores
takes as long as boosting the round, a loss is the plain mean over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.metrics.binary import CLIP
from engine.metrics.measure import Measure

Vector = npt.NDArray[np.floating[Any]]


def value(
    measure: Measure,
    metric: str,
    y: npt.NDArray[np.float32],
    p: Vector,
    query: npt.NDArray[np.uint64] | None,
) -> float:
    """Return a metric of some rows, as `Measure` tells it up to the rounding of a mean.

    Args:
        measure: How rows are measured.
        metric: Its name, one that is followed.
        y: Shape (n,), labels that were checked before the first round.
        p: Shape (n,) or (n, classes), predictions.
        query: Shape (n,), for a ranking.

    Raises:
        MillraceError: A prediction is missing.
    """
    loss = _LOSSES.get(metric) if measure.task == "binary" else None
    if loss is None:
        return float(measure.each_round(y, p, query).results({metric})[metric])
    found = float(np.mean(loss(np.where(y > 0, p, 1.0 - p))))
    if np.isnan(found):
        raise MillraceError(
            "a trial predicts missing values", hint="look at learning_rate and the lambdas"
        )
    return found


_LOSSES: Final[Mapping[str, Callable[[Vector], Vector]]] = {
    "log_loss": lambda likelihood: -np.log(np.maximum(likelihood, CLIP)),
    "brier": lambda likelihood: (1.0 - likelihood) ** 2,
}
"""Losses of two classes, of the probability that was given to the true one."""
