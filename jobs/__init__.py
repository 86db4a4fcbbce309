"""How a job lives: the job file, its steps in order, its run folder, and the command line.

>>> from jobs import load_job, plan_job, run_job  # doctest: +SKIP
>>> result = run_job(load_job("job.toml"))  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.planning.plan import plan_job
    from jobs.run import run_job
    from jobs.spec.job import Job
    from jobs.spec.jobfile import load_job

__all__ = ["Job", "load_job", "plan_job", "run_job"]

_LATER = {
    "Job": "jobs.spec.job",
    "load_job": "jobs.spec.jobfile",
    "plan_job": "jobs.planning.plan",
    "run_job": "jobs.run",
}


def __getattr__(name: str) -> object:
    """Import on first use: ``millrace --help`` needs none of it."""
    if name not in _LATER:
        raise AttributeError(f"module 'jobs' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
