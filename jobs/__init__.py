"""How a job lives: the job file, its steps in order, its run folder, and the command line.

>>> from jobs import Job  # doctest: +SKIP
>>> run = Job.load("job.toml").submit()  # doctest: +SKIP
>>> run.wait().metrics  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.api.job import Job
    from jobs.api.plan import Plan
    from jobs.api.run import Run, RunFailed, list_runs, open_run

__all__ = ["Job", "Plan", "Run", "RunFailed", "list_runs", "open_run"]

_LATER = {
    "Job": "jobs.api.job",
    "Plan": "jobs.api.plan",
    "Run": "jobs.api.run",
    "RunFailed": "jobs.api.run",
    "list_runs": "jobs.api.run",
    "open_run": "jobs.api.run",
}


def __getattr__(name: str) -> object:
    """Import on first use: ``millrace --help`` needs none of it."""
    if name not in _LATER:
        raise AttributeError(f"module 'jobs' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
