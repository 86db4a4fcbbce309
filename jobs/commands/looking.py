"""What became of runs: how they stand, what they told, what they found."""

from __future__ import annotations

import sys

import click

from jobs.commands.options import (
    debug_option,
    json_option,
    opened,
    run_argument,
    shown,
    storage_option,
    store_option,
)


@click.command("list")
@json_option
@store_option
@storage_option
@debug_option
def list_(as_json: bool, store: str, storage: tuple[str, ...]) -> None:
    """List the runs, the newest last."""
    from jobs.show.text import brief_of, list_text

    shown([brief_of(run) for run in opened(store, storage).runs()], as_json, list_text)


@click.command()
@run_argument
@click.option("--watch", is_flag=True, help="Follow it to its end, and exit with its code.")
@json_option
@store_option
@storage_option
@debug_option
def status(run: str, watch: bool, as_json: bool, store: str, storage: tuple[str, ...]) -> None:
    """Show how RUN stands: an id, the beginning of one or of its last part, or @last."""
    from jobs.show.text import status_of, status_text

    found = opened(store, storage).find(run)
    if watch:
        from jobs.runs.waiting import Waiting, exit_code
        from jobs.show.following import watched

        watched(Waiting(found))
    shown(status_of(found), as_json, status_text)
    if watch:
        sys.exit(exit_code(found.log.last(), found.state()))


@click.command()
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--step", help="Of this step alone.")
@json_option
@store_option
@storage_option
@debug_option
def logs(
    run: str,
    follow: bool,
    step: str | None,
    as_json: bool,
    store: str,
    storage: tuple[str, ...],
) -> None:
    """Print what RUN has told, line by line; with --json as events."""
    from jobs.runs.waiting import Waiting
    from jobs.show.following import event_text, events

    found = opened(store, storage).find(run)
    for event in events(found, Waiting(found) if follow else None):
        if step is None or event.step == step:
            click.echo(event.encoded().decode().rstrip() if as_json else event_text(event))


@click.command()
@run_argument
@click.option("--open", "open_", is_flag=True, help="Open it in the browser.")
@json_option
@store_option
@storage_option
@debug_option
def report(run: str, open_: bool, as_json: bool, store: str, storage: tuple[str, ...]) -> None:
    """Print where the report of RUN is; with --json its numbers too, those of metrics.json."""
    from jobs.show.reports import numbers_of, report_of

    folder = opened(store, storage).find(run)
    found = report_of(folder)
    values = {"report": found, "metrics": numbers_of(folder)} if as_json else {"report": found}
    shown(values, as_json, lambda values: str(values["report"]))
    if open_:
        click.launch(found)
