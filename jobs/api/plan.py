"""What a job would do, to be looked at."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.planning.plan import Planned


@dataclass(frozen=True, repr=False)
class Plan:
    """The plan of a job.

    Attributes:
        planned: The opened data, the partitions and the projected steps.
    """

    planned: Planned

    @property
    def fits(self) -> bool:
        """Whether every step fits the memory of a worker."""
        plan = self.planned.plan
        return plan.peak <= plan.limit

    def check(self) -> None:
        """Say why the job does not fit, if it does not.

        Raises:
            PlanRefused: A step is over the memory of a worker.
        """
        self.planned.plan.check()

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON values: those of `millrace plan --json`."""
        return self.planned.to_dict()

    def __repr__(self) -> str:
        """Return what `millrace plan` prints."""
        from jobs.show.text import plan_text

        return plan_text(self.to_dict())

    def _repr_html_(self) -> str:
        from jobs.api.markup import plan_html

        return plan_html(self.to_dict(), fits=self.fits)
