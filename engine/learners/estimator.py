"""An estimator as the catalogue knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal[
    "binary", "multiclass", "regression", "ranking", "clustering", "anomaly", "reduction"
]
"""What is learned; the last three need no label."""

UNLABELLED: tuple[Task, ...] = ("clustering", "anomaly", "reduction")
"""Tasks that need no label."""

Way = Literal["boosting", "passes", "streamed", "sampled", "members"]
"""How rows that do not fit in memory are learned from: by LightGBM's ranks; in several passes over
all rows whose sums are put together (dask-ml); partition by partition into one estimator
(scikit-learn's ``partial_fit``); on a sample that fits; by members that learn in these ways."""


@dataclass(frozen=True)
class Estimator:
    """What can learn, and for which tasks.

    Attributes:
        name: As a job file names it: ``sklearn.SGDClassifier``.
        way: How it learns from rows that do not fit in memory.
        tasks: What it learns.
        path: Import path of the class: ``sklearn.linear_model:SGDClassifier``.
        about: One sentence for the documentation.
        fixed: Parameters that millrace sets, and a user may not.
    """

    name: str
    way: Way
    tasks: tuple[Task, ...]
    path: str
    about: str
    fixed: tuple[str, ...] = ()
