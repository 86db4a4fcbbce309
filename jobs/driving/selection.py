"""Which sections of a job are run, and whether what was done before counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import SpecError

if TYPE_CHECKING:
    from jobs.spec.job import JobSpec

SECTIONS = ("profile", "sort", "prepare", "train", "evaluate", "score")
"""The sections that do something, in their order; ``tune`` belongs to ``train``, and so does
``evaluate`` unless it names a model."""


@dataclass(frozen=True)
class Selection:
    """What of a job is wanted.

    Attributes:
        only: Sections; none: all.
        since: The first section, of those that the job has.
        force: Do them again, though nothing has changed.
    """

    only: tuple[str, ...] = ()
    since: str | None = None
    force: bool = False

    def applied(self, job: JobSpec) -> JobSpec:
        """Return the job without the sections that are not wanted.

        Raises:
            SpecError: A section is unknown, or the job does not have it.
        """
        from jobs.spec.problems import nearest  # the command line wants `SECTIONS` alone

        there = [name for name in SECTIONS if job.does(name)]
        for name in (*self.only, *filter(None, [self.since])):
            if name not in there:
                what = f"the job has no section [{name}]{nearest(name, there)}"
                raise SpecError(what, where=f"job {job.name}")
        wanted = there[there.index(self.since) :] if self.since else there
        wanted = [name for name in wanted if not self.only or name in self.only]
        left_out = {name: None for name in there if name not in wanted}
        if "train" in left_out:
            left_out |= {"tune": None, "evaluate": None}
        return job.model_copy(update=left_out)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Selection:
        """Read back what ``to_dict`` returned."""
        return cls(tuple(values["only"]), values["since"], values["force"])


ALL = Selection()
"""All sections, of which those are skipped that have nothing to do."""
