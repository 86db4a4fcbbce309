"""Arguments and options that several commands have, and how they print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

DEBUG = "millrace.debug"
"""Key in click's `meta`: whether to show the traceback of an error."""


def _keep_debug(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    ctx.meta[DEBUG] = wanted  # click shares `meta` with the group's context


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


def shown(values: Any, as_json: bool, text: Callable[[Any], str]) -> None:
    """Print values as JSON, or as the text that is made of them."""
    if as_json:
        import json

        click.echo(json.dumps(values, indent=2, default=str))
    else:
        click.echo(text(values))
