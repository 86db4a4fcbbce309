"""What is asked of an estimator that learns by ``partial_fit``: its parameters, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from engine.errors import SpecError
from engine.learners.lesson import Assignment
from engine.learners.parameters import WHERE, check, refuse_weights
from engine.learners.streamed.names import COURSES, Course

EPOCHS: Final = "epochs"
PATIENCE: Final = "patience"
_OURS: Final = (EPOCHS, PATIENCE)
_WHY: Final = "millrace sets it, or partial_fit does not look at it"


@dataclass(frozen=True)
class Asked:
    """What is asked.

    Attributes:
        params: Parameters of the class.
        epochs: Passes over all rows, at most.
        patience: Epochs without a better validation metric after which it ends; 0: never before
            the last one.
        shuffled: Whether rows are put into another order in each epoch.
    """

    params: Mapping[str, Any]
    epochs: int
    patience: int
    shuffled: bool

    @property
    def several(self) -> bool:
        """Whether there is more than one epoch, so that it is worth telling what each is worth."""
        return self.epochs > 1

    @classmethod
    def of(cls, assignment: Assignment) -> Self:
        """Read the parameters.

        Raises:
            SpecError: ``epochs`` or ``patience`` cannot be.
        """
        course = COURSES.get(assignment.estimator.name, Course())
        given = dict(assignment.params)
        epochs = _whole(given, EPOCHS, course.epochs or 1)
        patience = _whole(given, PATIENCE, 0)
        if (epochs > 1 or patience) and not course.epochs:
            raise SpecError(
                f"{assignment.estimator.name} has learned all after one pass over the rows",
                where=f"{WHERE}.{EPOCHS if epochs > 1 else PATIENCE}",
                hint="leave it out",
            )
        if patience and assignment.task == "clustering":
            raise SpecError(
                "a clustering has no validation metric to wait for",
                where=f"{WHERE}.{PATIENCE}",
                hint="leave it out",
            )
        shuffled = course.shuffled and given.get("shuffle", True) is not False
        return cls(given, epochs, patience, shuffled)


def checked(assignment: Assignment) -> Asked:
    """Return what is asked, refused where it cannot be; see `engine.learners.ways.Learner.check`.

    Raises:
        SpecError: A parameter cannot be, rows are weighted and must not, or scikit-learn is absent.
    """
    asked = Asked.of(assignment)
    check(assignment.estimator, asked.params, _WHY)
    if asked.params.get("solver") == "lbfgs":
        raise SpecError(
            'solver = "lbfgs" looks at all rows at once',
            where=f"{WHERE}.solver",
            hint='use "adam" or "sgd"',
        )
    if assignment.weighted:
        refuse_weights(assignment.estimator, "partial_fit")
    return asked


def _whole(given: dict[str, Any], name: str, default: int) -> int:
    """Take a parameter of ours out of the user's."""
    value = given.pop(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < (name == EPOCHS):
        raise SpecError(
            f"{name} should be a whole number from {int(name == EPOCHS)}, got {value!r}",
            where=f"{WHERE}.{name}",
        )
    return value
