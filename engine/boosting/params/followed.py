"""The metric that training is followed by, and stopped by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from engine.errors import SpecError

Task = Literal["binary", "regression"]
Metric = Literal["log_loss", "auc", "rmse", "mae"]

METRICS: Final[Mapping[str, tuple[Metric, ...]]] = {
    "binary": ("log_loss", "auc"),
    "regression": ("rmse", "mae"),
}
"""Metrics that can stop training, by task; the first is the default."""


def metric_for(
    task: str, metric: str | None, early_stopping: int | None, valid: int, boosting: object
) -> Metric:
    """Return the metric that training is followed by.

    Args:
        task: ``binary`` or ``regression``.
        metric: The user's choice.
        early_stopping: Rounds of patience, or None.
        valid: Number of validation rows.
        boosting: LightGBM's ``boosting`` as the user set it, or None.

    Raises:
        SpecError: The metric does not go with the task, or there is nothing to stop by.
    """
    if task not in METRICS:
        hint = f"one of {', '.join(METRICS)}"
        raise SpecError(f"unknown task {task!r}", where="train.task", hint=hint)
    known = METRICS[task]
    chosen = next((name for name in known if name == metric), None) if metric else known[0]
    if chosen is None:
        what = f"metric {metric!r} does not go with task {task!r}"
        raise SpecError(what, where="train.metric", hint=f"use {' or '.join(known)}")
    if early_stopping is not None and not valid:
        what = "early stopping needs validation rows, and there are none"
        raise SpecError(what, where="train.early_stopping", hint="give train.split.valid")
    if early_stopping is not None and boosting == "dart":
        # Dart changes earlier trees in later rounds: cutting gives another model than was measured.
        what = "early stopping does not go with boosting = 'dart'"
        raise SpecError(what, where="train.early_stopping", hint="leave one of them out")
    return chosen
