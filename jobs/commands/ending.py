"""Runs that are to end, and run folders that are to go."""

from __future__ import annotations

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


@click.command()
@run_argument
@click.option("--now", is_flag=True, help="Do not wait for what is under way.")
@json_option
@store_option
@storage_option
@debug_option
def cancel(run: str, now: bool, as_json: bool, store: str, storage: tuple[str, ...]) -> None:
    """End RUN after what is under way; at once when asked a second time, or with --now."""
    from jobs.driving.ending import cancel as cancelled
    from jobs.show.text import cancelled_text

    found = opened(store, storage).find(run)
    shown({"run": found.id, "asked": cancelled(found, now=now)}, as_json, cancelled_text)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@json_option
@store_option
@storage_option
@debug_option
def rm(runs: tuple[str, ...], as_json: bool, store: str, storage: tuple[str, ...]) -> None:
    """Delete the folders of RUNS that have ended; what they have written stays."""
    from jobs.driving.ending import remove

    home = opened(store, storage)
    found = [home.find(name) for name in runs]
    for one in found:
        remove(one)
    shown({"removed": [one.id for one in found]}, as_json, lambda v: "\n".join(v["removed"]))
