"""Where the report of a run can be looked at."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from engine.errors import SpecError
from engine.place.local import LocalPlace
from jobs.runs.folder import METRICS, REPORT, Run


def report_of(run: Run) -> str:
    """Return the path of a run's report; one from an object store is copied to this machine.

    Raises:
        SpecError: The run has none yet.
    """
    content = run.read(REPORT)
    if content is None:
        hint = "it is written when the run has succeeded; `millrace status` shows how it stands"
        raise SpecError("the run has no report", where=run.id, hint=hint)
    if isinstance(run.place, LocalPlace):
        return str(run.file(REPORT))
    file = Path(tempfile.mkdtemp(prefix="millrace-")) / f"{run.id}.html"
    file.write_bytes(content)
    return str(file)


def numbers_of(run: Run) -> dict[str, Any] | None:
    """Return the ``metrics.json`` of a run; None of one that an older millrace made."""
    content = run.read(METRICS)
    return None if content is None else dict(json.loads(content))
