"""What a worker holds when it scores with an estimator that is yet to be trained."""

from __future__ import annotations

from typing import Final

from engine.learners.estimator import Way
from engine.learners.lesson import Assignment
from engine.learners.sampled import memory as sampled
from engine.learners.streamed import memory as streamed
from engine.models.learned import Learned
from engine.plan import Term

_FILE: Final = ".skops"
"""End of the names of files that hold an estimator of scikit-learn."""

WAYS: Final[tuple[Way, ...]] = ("streamed", "sampled")
"""Ways of learning whose models are estimators of scikit-learn."""


def needed(model: Learned) -> bool:
    """Tell whether a model, or a part of it, is an estimator of scikit-learn."""
    return any(name.endswith(_FILE) for name in model.files())


def scoring(assignment: Assignment, features: int, rows: int) -> tuple[Term, ...]:
    """Return the terms beside those of a pass with a predictor.

    Args:
        assignment: What will be learned.
        features: Number of features.
        rows: All rows of the data.
    """
    way = assignment.estimator.way
    if way not in WAYS:
        return ()
    if way == "sampled":
        own = sampled.kept(assignment, min(rows, assignment.sample_rows), features)
    else:
        own = streamed.kept(assignment, features)
    return (Term("estimator and its file", own),)
