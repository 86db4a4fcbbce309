"""A job run in the foreground."""

from __future__ import annotations

from pathlib import Path

from jobs.driving.drive import drive
from jobs.driving.selection import ALL, Selection
from jobs.planning.plan import plan_job
from jobs.runs.events import Reporter
from jobs.runs.folder import Run
from jobs.runs.result import Result
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from jobs.spec.job import JobSpec


def create(job: JobSpec, store: Store, selection: Selection = ALL) -> Run:
    """Make the run folder of a job, PENDING.

    Args:
        job: The job.
        store: Where the run folders are.
        selection: What of the job is wanted.

    Raises:
        SpecError: The job does not have a section that is wanted.
    """
    selection.applied(job)
    return store.create(job.to_dict(), selection.to_dict())


def run_job(
    job: JobSpec,
    store: Store | Path,
    reporter: Reporter,
    stop: Stop | None = None,
    selection: Selection = ALL,
) -> Result:
    """Run a job here and now; what is done already is not done again.

    Args:
        job: The job.
        store: Where the run folders are.
        reporter: Hears what happens.
        stop: The wish to end, looked at where work can be ended without a loss.
        selection: What of the job is wanted.

    Raises:
        Cancelled: The wish was uttered.
        PlanRefused: A step does not fit the memory of a worker; nothing was started.
        MillraceError: A section failed; what was finished is kept and a rerun goes on from there.
    """
    planned = plan_job(selection.applied(job))
    planned.plan.check()  # a mistake leaves no run behind
    home = store if isinstance(store, Store) else Store.at(store)
    return drive(home, create(job, home, selection), reporter, stop or Stop(), planned=planned)
