"""All estimators by the name that a job file gives them; nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.learners.estimator import Estimator, Task
from engine.learners.members.names import ESTIMATORS as MEMBERS
from engine.learners.passes.names import ESTIMATORS as PASSES
from engine.learners.sampled.names import ESTIMATORS as SAMPLED
from engine.learners.streamed.names import ESTIMATORS as STREAMED

__all__ = ["CATALOGUE", "LIGHTGBM", "Estimator", "Task"]

LIGHTGBM = "lightgbm"

_BOOSTING = Estimator(
    LIGHTGBM,
    "boosting",
    ("binary", "multiclass", "regression", "ranking"),
    "lightgbm:Booster",
    "Gradient boosted trees, random forests (`boosting = rf`) and DART, on all workers.",
)

CATALOGUE: Mapping[str, Estimator] = MappingProxyType(
    {one.name: one for one in (_BOOSTING, *PASSES, *STREAMED, *SAMPLED, *MEMBERS)}
)
"""Every estimator by its name."""
