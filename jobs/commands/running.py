"""Do what a job file says, here or elsewhere, or show what that would be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobs.commands.options import (
    debug_option,
    job_argument,
    json_option,
    opened,
    run_argument,
    shown,
    storage_option,
    store_option,
)
from jobs.driving.selection import SECTIONS

if TYPE_CHECKING:
    from jobs.driving.selection import Selection
    from jobs.runs.result import Result
    from jobs.runs.store import Store
    from jobs.spec.job import JobSpec

F = TypeVar("F", bound=Callable[..., Any])

SECTION = click.Choice(SECTIONS)


def selecting(command: F) -> F:
    """Give a command the options that say which sections are wanted."""
    options = (
        click.option("--only", type=SECTION, multiple=True, help="Run this section alone."),
        click.option("--from", "since", type=SECTION, help="Begin with this section."),
        click.option("--force", is_flag=True, help="Do again what has not changed."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@job_argument
@selecting
@json_option
@debug_option
def plan(job: Path, only: tuple[str, ...], since: str | None, force: bool, as_json: bool) -> None:
    """Show what JOB will read, hold in memory and write; nothing is run."""
    spec, selection = _loaded(job, only, since, force)
    _planned(selection.applied(spec), as_json)


@click.command()
@job_argument
@click.option("--dry-run", is_flag=True, help="The same as `millrace plan`.")
@selecting
@json_option
@store_option
@storage_option
@debug_option
def run(
    job: Path,
    dry_run: bool,
    only: tuple[str, ...],
    since: str | None,
    force: bool,
    as_json: bool,
    store: str,
    storage: tuple[str, ...],
) -> None:
    """Do what JOB says, here and now; what is done already is not done again."""
    spec, selection = _loaded(job, only, since, force)
    if dry_run:
        _planned(selection.applied(spec), as_json)
        return
    result = ran(spec, opened(store, storage), selection)
    from jobs.show.text import result_text

    shown(result.to_dict(), as_json, result_text)


@click.command()
@job_argument
@click.option("--here", is_flag=True, help="Drive it from this machine, not from the cluster.")
@selecting
@json_option
@store_option
@storage_option
@debug_option
def submit(
    job: Path,
    here: bool,
    only: tuple[str, ...],
    since: str | None,
    force: bool,
    as_json: bool,
    store: str,
    storage: tuple[str, ...],
) -> None:
    """Hand JOB over to a driver that goes on without this terminal; print the run's id.

    On a cluster that runs already the driver is there; else it is on this machine, in a session of
    its own.
    """
    spec, selection = _loaded(job, only, since, force)
    from jobs.driving.submitting import submit as handed_over
    from jobs.run import create
    from jobs.show.text import submitted_text

    home = opened(store, storage)
    new = create(spec, home, selection)
    state = handed_over(home, new, here=here)
    shown({"run": new.id, "state": str(state), "folder": str(new)}, as_json, submitted_text)


@click.command()
@run_argument
@click.option("--detach", is_flag=True, help="Hand it over, as `millrace submit` does.")
@click.option("--here", is_flag=True, help="With --detach: drive it from this machine.")
@json_option
@store_option
@storage_option
@debug_option
def resume(
    run: str, detach: bool, here: bool, as_json: bool, store: str, storage: tuple[str, ...]
) -> None:
    """Go on with RUN, whose driver has ended or died; what is finished is not done again."""
    home = opened(store, storage)
    found = home.find(run)
    if detach:
        from jobs.driving.submitting import submit as handed_over
        from jobs.show.text import submitted_text

        state = handed_over(home, found, here=here)
        shown({"run": found.id, "state": str(state), "folder": str(found)}, as_json, submitted_text)
        return
    from jobs.driving.drive import drive
    from jobs.runs.stopping import Stop
    from jobs.show.progress import watching
    from jobs.show.text import result_text

    stop = Stop()
    with stop.listening(), watching() as reporter:
        result = drive(home, found, reporter, stop)
    shown(result.to_dict(), as_json, result_text)


def ran(job: JobSpec, store: Store, selection: Selection | None = None) -> Result:
    """Run a job in the foreground, and show how it goes."""
    from jobs.driving.selection import ALL
    from jobs.run import run_job
    from jobs.runs.stopping import Stop
    from jobs.show.progress import watching

    stop = Stop()
    with stop.listening(), watching() as reporter:
        return run_job(job, store, reporter, stop, selection or ALL)


def _loaded(
    job: Path, only: tuple[str, ...], since: str | None, force: bool
) -> tuple[JobSpec, Selection]:
    # Before the engine is imported: a bad job file is told at once.
    from jobs.spec.jobfile import load_job

    spec = load_job(job)
    from jobs.driving.selection import Selection

    return spec, Selection(only, since, force)


def _planned(job: JobSpec, as_json: bool) -> None:
    """Show the plan; one that does not fit ends the command."""
    from jobs.planning.plan import plan_job
    from jobs.show.text import plan_text

    planned = plan_job(job)
    shown(planned.to_dict(), as_json, plan_text)
    planned.plan.check()
