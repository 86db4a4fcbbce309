"""What a check says: fine, worth knowing, or not with this cluster; and of which workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """Something about one worker that is not as it should be.

    Args:
        worker: Its address, or in words what else it is, such as the scheduler.
        text: What it is, in a few words.
        refused: Whether the job cannot run so; otherwise it is a note.
    """

    worker: str
    text: str
    refused: bool = True


@dataclass(frozen=True)
class Verdict:
    """What one check says about all workers.

    Args:
        name: Name of the check.
        status: The worst that was found.
        what: One line.
        hint: What to do about it; empty when all is well.
        workers: What is the matter, by worker; those that are fine are left out.
    """

    name: str
    status: Status
    what: str
    hint: str = ""
    workers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, findings: Iterable[Finding], *, fine: str, hint: str = "") -> Verdict:
        """Sum up what was found.

        Args:
            name: Name of the check.
            findings: What is not as it should be; of one worker there may be several.
            fine: What to say when there is nothing.
            hint: What to do about it.
        """
        # What stops the job comes first, so that it is what the one line names.
        found = sorted(findings, key=lambda finding: not finding.refused)
        if not found:
            return cls(name, Status.OK, fine)
        workers: dict[str, str] = {}
        for finding in found:
            before = workers.get(finding.worker)
            workers[finding.worker] = f"{before}; {finding.text}" if before else finding.text
        first, more = next(iter(workers.items())), len(workers) - 1
        what = f"{first[0]}: {first[1]}" + (f" (and {more} more)" if more else "")
        status = Status.REFUSED if found[0].refused else Status.NOTE
        return cls(name, status, what, hint, workers)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.name,
            "status": self.status.value,
            "what": self.what,
            "hint": self.hint,
            "workers": self.workers,
        }
