"""The metric that training is followed by, and stopped by."""

from __future__ import annotations

from engine.errors import SpecError
from engine.metrics.measure import Measure


def metric_for(
    measure: Measure, metric: str | None, early_stopping: int | None, valid: int, boosting: object
) -> str:
    """Return the metric that training is followed by.

    Args:
        measure: How rounds are measured.
        metric: The user's choice.
        early_stopping: Rounds of patience, or None.
        valid: Number of validation rows.
        boosting: LightGBM's ``boosting`` as the user set it, or None.

    Raises:
        SpecError: The metric does not go with the task, or there is nothing to stop by.
    """
    known = measure.followed
    chosen = metric or known[0]
    if chosen not in known:
        what = f"metric {metric!r} does not go with task {measure.task!r}"
        raise SpecError(what, where="train.metric", hint=f"use {' or '.join(known)}")
    if early_stopping is not None and not valid:
        what = "early stopping needs validation rows, and there are none"
        raise SpecError(what, where="train.early_stopping", hint="give train.split.valid")
    if early_stopping is not None and str(boosting).lower() == "dart":
        # Dart changes earlier trees in later rounds: cutting gives another model than was measured.
        what = "early stopping does not go with boosting = 'dart'"
        raise SpecError(what, where="train.early_stopping", hint="leave one of them out")
    return chosen
