"""Ensembles by name."""

from __future__ import annotations

from engine.learners.estimator import Estimator, Task

VOTING, STACKING, BLENDING = "ensemble.Voting", "ensemble.Stacking", "ensemble.Blending"

_TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
_PATH = "engine.models.ensemble:Ensemble"

ESTIMATORS: tuple[Estimator, ...] = (
    Estimator(
        VOTING, "members", _TASKS, _PATH, "The mean of what its members say, weighted if asked."
    ),
    Estimator(
        STACKING,
        "members",
        _TASKS,
        _PATH,
        "A final estimator learns from what members say of training rows that they have not seen.",
    ),
    Estimator(
        BLENDING,
        "members",
        _TASKS,
        _PATH,
        "A final estimator learns from what members say of the validation rows.",
    ),
)
