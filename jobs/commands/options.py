"""Arguments and options that several commands have, and how they print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from engine.storage import Access
    from jobs.runs.store import Store

DEBUG = "millrace.debug"
"""Key in click's `meta`: whether to show the traceback of an error."""


def _keep_debug(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    ctx.meta[DEBUG] = wanted  # click shares `meta` with the group's context


job_argument = click.argument("job", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
store_option = click.option(
    "--store",
    envvar="MILLRACE_STORE",
    default=".millrace/runs",
    show_default=True,
    help="Where the run folders are: a folder or the URL of an object store.",
)
run_argument = click.argument("run", default="@last")
storage_option = click.option(
    "--storage",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the object store, such as region=eu-west-1; a secret as '${secret:NAME}'.",
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


def access_of(options: Sequence[str]) -> Access:
    """Return how a store is reached.

    Args:
        options: ``name=value`` each; a secret as ``${secret:NAME}``.

    Raises:
        SpecError: One is not of that form, or holds a secret in clear.
    """
    from engine.errors import SpecError
    from engine.storage import Access

    pairs = [option.partition("=") for option in options]
    for name, equals, _ in pairs:
        if not equals or not name:
            # The text itself may be a secret: it is not repeated.
            raise SpecError(
                "an option of the store is no name=value",
                where="--storage",
                hint="write --storage region=eu-west-1; a secret as name='${secret:NAME}'",
            )
    return Access(tuple((name, value) for name, _, value in pairs))


def opened(store: str, storage: tuple[str, ...]) -> Store:
    """Return the store that the options name."""
    from jobs.runs.store import Store

    return Store.at(store, access_of(storage))
