"""What became of runs."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.commands.options import debug_option, json_option, shown, store_option


@click.command("list")
@json_option
@store_option
@debug_option
def list_(as_json: bool, store: Path) -> None:
    """List the runs, the newest last."""
    from jobs.runs.folder import list_runs
    from jobs.show.text import list_text, status_of

    statuses = [status_of(run) for run in list_runs(store)]
    shown(statuses, as_json, list_text)


@click.command()
@click.argument("run", default="@last")
@json_option
@store_option
@debug_option
def status(run: str, as_json: bool, store: Path) -> None:
    """Show how RUN stands: an id, the beginning of one, or @last."""
    from jobs.runs.folder import find_run
    from jobs.show.text import status_of, status_text

    shown(status_of(find_run(store, run)), as_json, status_text)
