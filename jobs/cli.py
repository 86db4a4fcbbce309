"""The command line: arguments and exit codes only.

Results go to stdout, progress and errors to stderr. What a command needs is imported when it runs,
so that ``millrace --help`` is there at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.failure import failure

if TYPE_CHECKING:
    from jobs.runs.result import Result
    from jobs.spec.job import Job

_DEBUG = "millrace.debug"


class Commands(click.Group):
    """The one place where an error becomes a message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises ends here, but what click itself knows."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except BrokenPipeError:
            raise  # click ends quietly when the reader of the output is gone
        except BaseException as error:  # Polars' panics are no `Exception`
            if ctx.meta.get(_DEBUG):
                raise
            message, code = failure(error)
            click.echo(message, err=True)
            ctx.exit(code)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            number = version("millrace")
        except PackageNotFoundError:
            number = "(not installed: run from its source)"
        click.echo(f"millrace {number}")
        ctx.exit()


def _keep_debug(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    ctx.meta[_DEBUG] = wanted  # click shares `meta` with the group's context


job_argument = click.argument("job", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
store_option = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".millrace/runs"),
    show_default=True,
    help="Folder of the run folders.",
)
storage_option = click.option(
    "--storage",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of an object store, such as region=eu-west-1; a secret as '${secret:NAME}'.",
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_keep_debug,
    help="Show the traceback of an error.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Version."
)
def main() -> None:
    """Train on tables larger than memory, and score them, as one job file says.

    Exit codes: 0 done, 1 the job failed, 2 bad job file or usage, 3 the data break the contract or
    a quality gate, 130 cancelled.
    """


@main.command()
@click.argument("data")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("job.toml"),
    show_default=True,
    help="The job file to write; an existing one is never replaced.",
)
@click.option("--target", help="Column to predict; guessed when left out.")
@debug_option
def init(data: str, output: Path, target: str | None) -> None:
    """Write a first job file for DATA: a file, directory or glob."""
    from jobs.starter import starter, write

    write(output, starter(data, target))
    click.echo(f"wrote {output}: look through it, then `millrace plan {output}`")


@main.command()
@click.argument("source")
@click.option("--data", help="Which data of a job file; needed when it has several.")
@click.option("--target", help="What is to be predicted: a column or a SQL expression.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for profile.json and profile.html; the run folder when left out.",
)
@click.option(
    "--write-contract", is_flag=True, help="Also write contract.toml, a contract the data meet."
)
@json_option
@store_option
@debug_option
def profile(
    source: str,
    data: str | None,
    target: str | None,
    output: Path | None,
    write_contract: bool,
    as_json: bool,
    store: Path,
) -> None:
    """Show what is in SOURCE: a file, directory, glob, URL or job file."""
    from jobs.profile.job import profile_job

    result = _run(profile_job(source, data, target, output, write_contract), store)
    from jobs.profile.text import profile_text
    from jobs.sections.profiling import read

    assert result.profile is not None
    _print(read(result.profile), as_json, profile_text)
    if not as_json:
        click.echo(f"\n{result.profile.with_suffix('.html')}")


@main.command()
@job_argument
@json_option
@debug_option
def plan(job: Path, as_json: bool) -> None:
    """Show what JOB will read, hold in memory and write; nothing is run."""
    _plan(job, as_json)


@main.command()
@job_argument
@click.option("--dry-run", is_flag=True, help="The same as `millrace plan`.")
@json_option
@store_option
@debug_option
def run(job: Path, dry_run: bool, as_json: bool, store: Path) -> None:
    """Do what JOB says, here and now; what is done already is not done again."""
    if dry_run:
        _plan(job, as_json)
        return
    from jobs.spec.jobfile import load_job

    # Before the engine is imported: a bad job file is told at once.
    result = _run(load_job(job), store)
    from jobs.show.text import result_text

    _print(result.to_dict(), as_json, result_text)


@main.command("list")
@json_option
@store_option
@debug_option
def list_(as_json: bool, store: Path) -> None:
    """List the runs, the newest last."""
    from jobs.runs.folder import list_runs
    from jobs.show.text import list_text, status_of

    statuses = [status_of(run) for run in list_runs(store)]
    _print(statuses, as_json, list_text)


@main.command()
@click.argument("run", default="@last")
@json_option
@store_option
@debug_option
def status(run: str, as_json: bool, store: Path) -> None:
    """Show how RUN stands: an id, the beginning of one, or @last."""
    from jobs.runs.folder import find_run
    from jobs.show.text import status_of, status_text

    _print(status_of(find_run(store, run)), as_json, status_text)


@main.command()
@click.argument("output")
@storage_option
@json_option
@debug_option
def verify(output: str, storage: tuple[str, ...], as_json: bool) -> None:
    """Read every byte of OUTPUT, a folder or URL, and compare it with its manifest.

    Exit codes: 0 all is as it was committed, 1 something is not.
    """
    from jobs.show.outputs import access_of, verified, verified_text

    found = verified(output, access_of(storage))
    _print(found, as_json, verified_text)
    if found["problems"]:
        sys.exit(1)


@main.command()
@click.argument("output")
@click.option("--dry-run", is_flag=True, help="List what would be deleted, and delete nothing.")
@click.option(
    "--days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    help="Leave younger files alone: their writer may live.",
)
@storage_option
@json_option
@debug_option
def gc(output: str, dry_run: bool, days: float, storage: tuple[str, ...], as_json: bool) -> None:
    """Delete what dead processes have left beside OUTPUT, a folder or URL.

    That is scratch, and staged parts that no record names or that readers have: never a record,
    never the only copy of a part, never a file of somebody else.
    """
    from jobs.show.outputs import access_of, collected, collected_text

    found = collected(output, access_of(storage), days, not dry_run)
    _print(found, as_json, collected_text)


@main.command()
@click.argument("run", default="@last")
@click.option(
    "-n", "rows", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rows."
)
@storage_option
@json_option
@store_option
@debug_option
def head(run: str, rows: int, storage: tuple[str, ...], as_json: bool, store: Path) -> None:
    """Show the first rows of a result, also while it is being made.

    RUN is an output folder or URL, or a run: its id, the beginning of one, or @last.
    """
    from jobs.show.head import head, head_text
    from jobs.show.outputs import access_of

    _print(head(run, store, access_of(storage), rows), as_json, head_text)


def _run(job: Job, store: Path) -> Result:
    from jobs.run import run_job
    from jobs.runs.stopping import Stop
    from jobs.show.progress import watching

    stop = Stop()
    with stop.listening(), watching() as reporter:
        return run_job(job, store, reporter, stop)


def _plan(job: Path, as_json: bool) -> None:
    from jobs.spec.jobfile import load_job

    spec = load_job(job)
    from jobs.planning.plan import plan_job
    from jobs.show.text import plan_text

    planned = plan_job(spec)
    _print(planned.to_dict(), as_json, plan_text)
    planned.plan.check()


def _print(values: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    if as_json:
        import json

        click.echo(json.dumps(values, indent=2, default=str))
    else:
        click.echo(text(values))


if __name__ == "__main__":
    sys.exit(main())
