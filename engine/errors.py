"""What can go wrong, said so that a user can act: one root, a branch per cause.

Every error says *what* happened, *where* (file, row group, column, key in the job file) and a
*hint* (what to do). ``exit_code`` is the process exit status that the command line returns:
1 job failed, 2 bad spec or usage, 3 contract or quality gate refused, 75 an outage (run it again),
130 cancelled.
"""

from __future__ import annotations


class MillraceError(Exception):
    """Root of all errors that millrace raises on purpose.

    Args:
        what: One sentence: what went wrong.
        where: The place: a file, row group, column or key in the job file.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        """Keep the three parts; ``str(error)`` joins those that are there, a line each."""
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        """Return what, where and hint, a line each."""
        place = f"\n  where: {self.where}" if self.where else ""
        advice = f"\n  to do: {self.hint}" if self.hint else ""
        return f"{self.what}{place}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the keyword arguments, so that errors survive the way from a worker."""
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(
    kind: type[MillraceError], what: str, where: str | None, hint: str | None
) -> MillraceError:
    return kind(what, where=where, hint=hint)


class SpecError(MillraceError):
    """The job file or the command line asks for something that cannot be."""

    exit_code = 2


class PlanRefused(SpecError):
    """The projected memory of a step is over the worker's limit."""


class ContractRefused(MillraceError):
    """The data break the contract as a whole, or a quality gate is not met."""

    exit_code = 3


class InputError(MillraceError):
    """An input cannot be read."""


class InputChanged(InputError):
    """An input file is not the one that the plan froze."""


class InputRefused(InputError):
    """The place of an input lets nobody in: credentials, permissions, no such bucket."""


class Outage(MillraceError):
    """A store, a network, a disk or the machine fails, whatever the data: it may pass."""

    exit_code = 75  # EX_TEMPFAIL of <sysexits.h>: "the user is invited to retry"


class ClusterLost(Outage):
    """The scheduler is gone, and with it all that was under way; what is finished is kept."""


class OutputRefused(SpecError):
    """The output location holds something that this job may not touch."""


class LostRace(OutputRefused):
    """Another job has committed to the output while this one was at work; its rows stand."""

    exit_code = 1


class TaskFailed(MillraceError):
    """A partition could not be worked on, after all retries."""


class TrainingFailed(MillraceError):
    """Training ended without a model."""


class RankLost(TrainingFailed):
    """A training rank vanished, froze, or went over its memory bound."""


class ModelError(MillraceError):
    """A model bundle is damaged or does not fit the data."""


class ModelFailed(MillraceError):
    """A model of the user's own failed on the rows of a partition; the worker lives on."""


class CommitUnknown(MillraceError):
    """Whether the commit landed cannot be told; nothing was deleted."""


class Cancelled(MillraceError):
    """The user stopped the run; it can be resumed."""

    exit_code = 130
