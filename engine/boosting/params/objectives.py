"""LightGBM's objectives: which task has which, and the names that mean the same."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from engine.boosting.learning import Task
from engine.errors import SpecError

OBJECTIVES: Final[Mapping[Task, Mapping[str, tuple[str, ...]]]] = {
    "binary": {
        "binary": (),
        "cross_entropy": ("xentropy",),
        "cross_entropy_lambda": ("xentlambda",),
    },
    "multiclass": {
        "multiclass": ("softmax",),
        "multiclassova": ("multiclass_ova", "ova", "ovr"),
    },
    "regression": {
        "regression": (
            "regression_l2",
            "l2",
            "mean_squared_error",
            "mse",
            "l2_root",
            "root_mean_squared_error",
            "rmse",
        ),
        "regression_l1": ("l1", "mean_absolute_error", "mae"),
        "huber": (),
        "fair": (),
        "poisson": (),
        "quantile": (),
        "mape": ("mean_absolute_percentage_error",),
        "gamma": (),
        "tweedie": (),
    },
    "ranking": {
        "lambdarank": (),
        "rank_xendcg": ("xendcg", "xe_ndcg", "xe_ndcg_mart", "xendcg_mart"),
    },
}
"""Aliases by main name, by task; a task's first is its default (LightGBM 4.7, Parameters.rst)."""

MEDIANS: Final = frozenset({"regression_l1", "quantile", "mape"})
"""Objectives whose leaves are quantiles of the rows in them, not sums over them."""


def objective_for(task: Task, objective: str | None) -> str:
    """Return LightGBM's main name of an objective.

    Args:
        task: What is to be predicted.
        objective: The user's choice, under any of its names; None = the task's own.

    Raises:
        SpecError: There is no such objective, or it belongs to another task.
    """
    known = OBJECTIVES[task]
    if objective is None:
        return next(iter(known))
    chosen = objective.lower()
    for main, aliases in known.items():
        if chosen in (main, *aliases):
            return main
    what = f"objective {objective!r} does not go with task = {task!r}"
    raise SpecError(what, where="train.objective", hint=_hint(task, chosen))


def _hint(task: Task, objective: str) -> str:
    other = next((name for name in OBJECTIVES if objective in _names(name)), None)
    if other is not None:
        return f"it belongs to task = {other!r}; here: {', '.join(OBJECTIVES[task])}"
    close = get_close_matches(objective, _names(task), 1)
    return f"did you mean {close[0]!r}?" if close else f"use {', '.join(OBJECTIVES[task])}"


def _names(task: Task) -> list[str]:
    return [name for main, aliases in OBJECTIVES[task].items() for name in (main, *aliases)]
