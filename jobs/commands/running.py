"""Do what a job file says, or show what that would be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.commands.options import debug_option, job_argument, json_option, shown, store_option

if TYPE_CHECKING:
    from jobs.runs.result import Result
    from jobs.spec.job import Job


@click.command()
@job_argument
@json_option
@debug_option
def plan(job: Path, as_json: bool) -> None:
    """Show what JOB will read, hold in memory and write; nothing is run."""
    _planned(job, as_json)


@click.command()
@job_argument
@click.option("--dry-run", is_flag=True, help="The same as `millrace plan`.")
@json_option
@store_option
@debug_option
def run(job: Path, dry_run: bool, as_json: bool, store: Path) -> None:
    """Do what JOB says, here and now; what is done already is not done again."""
    if dry_run:
        _planned(job, as_json)
        return
    from jobs.spec.jobfile import load_job

    # Before the engine is imported: a bad job file is told at once.
    result = ran(load_job(job), store)
    from jobs.show.text import result_text

    shown(result.to_dict(), as_json, result_text)


def _planned(job: Path, as_json: bool) -> None:
    """Show the plan; one that does not fit ends the command."""
    from jobs.spec.jobfile import load_job

    spec = load_job(job)
    from jobs.planning.plan import plan_job
    from jobs.show.text import plan_text

    planned = plan_job(spec)
    shown(planned.to_dict(), as_json, plan_text)
    planned.plan.check()


def ran(job: Job, store: Path) -> Result:
    """Run a job in the foreground, and show how it goes."""
    from jobs.run import run_job
    from jobs.runs.stopping import Stop
    from jobs.show.progress import watching

    stop = Stop()
    with stop.listening(), watching() as reporter:
        return run_job(job, store, reporter, stop)
