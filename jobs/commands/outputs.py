"""What runs have written: checked, cleared up, looked at."""

from __future__ import annotations

import sys

import click

from jobs.commands.options import (
    access_of,
    debug_option,
    json_option,
    opened,
    shown,
    storage_option,
    store_option,
)


@click.command()
@click.argument("output")
@storage_option
@json_option
@debug_option
def verify(output: str, storage: tuple[str, ...], as_json: bool) -> None:
    """Read every byte of OUTPUT, a folder or URL, and compare it with its manifest.

    Exit codes: 0 all is as it was committed, 1 something is not.
    """
    from jobs.show.outputs import verified, verified_text

    found = verified(output, access_of(storage))
    shown(found, as_json, verified_text)
    if found["problems"]:
        sys.exit(1)


@click.command()
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
    from jobs.show.outputs import collected, collected_text

    found = collected(output, access_of(storage), days, not dry_run)
    shown(found, as_json, collected_text)


@click.command()
@click.argument("run", default="@last")
@click.option(
    "-n", "rows", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rows."
)
@storage_option
@json_option
@store_option
@debug_option
def head(run: str, rows: int, storage: tuple[str, ...], as_json: bool, store: str) -> None:
    """Show the first rows of a result, also while it is being made.

    RUN is an output folder or URL, or a run: its id, the beginning of one, or @last.
    """
    from jobs.show.head import head, head_text

    home = opened(store, storage)
    shown(head(run, home, home.access, rows), as_json, head_text)
