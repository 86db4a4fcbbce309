"""The protocol of what learns, and who learns in which way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from engine.learners.estimator import Way
from engine.learners.lesson import Assignment, Learnt, Lesson, Progress

if TYPE_CHECKING:
    from distributed import Client

    from engine.memory import Shape
    from engine.plan import Term

_WAYS: Final[Mapping[Way, str]] = {
    "passes": "engine.learners.passes.learner",
    "streamed": "engine.learners.streamed.learner",
    "sampled": "engine.learners.sampled.learner",
}
"""Module of each way; boosting has a room of its own, `engine.boosting`, and ensembles are put
together from fits of other ways (`jobs.sections.ensembling`)."""


class Learner(Protocol):
    """A module that learns in one way."""

    def check(self, assignment: Assignment) -> None:
        """Refuse parameters that the estimator does not have, or that do not go together.

        It runs before anything is read.

        Raises:
            SpecError: A parameter cannot be, or a package is not installed.
        """

    def terms(self, assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
        """Return what a worker holds while it learns, for the plan.

        Args:
            assignment: What will be learned.
            shape: A pass over the partitions.
            rows: All rows of the data.
        """

    def driver(self, assignment: Assignment, shape: Shape, rows: int) -> tuple[Term, ...]:
        """Return what the driver holds beside itself meanwhile; arguments as for `terms`."""

    def passes(self, assignment: Assignment) -> tuple[str, ...]:
        """Return what is read, pass by pass, in words, for the plan."""

    def fit(
        self,
        client: Client,
        lesson: Lesson,
        *,
        progress: Progress,
        cancel: Callable[[], bool],
    ) -> Learnt:
        """Learn on the cluster, within the memory that `terms` told.

        Raises:
            ContractRefused: The rows cannot be learned from: a missing value where there may be
                none, with the name of the feature.
            TrainingFailed: The estimator failed.
            Cancelled: ``cancel`` said so.
        """


def learner(way: Way) -> Learner:
    """Return who learns in a way.

    Args:
        way: Any but ``boosting`` and ``members``.
    """
    module: Learner = import_module(_WAYS[way])
    return module
