"""What comes before a run: a first job file, a look at the data."""

from __future__ import annotations

from pathlib import Path

import click

from jobs.commands.options import (
    debug_option,
    json_option,
    opened,
    shown,
    storage_option,
    store_option,
)
from jobs.commands.running import ran


@click.command()
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


@click.command()
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
@storage_option
@debug_option
def profile(
    source: str,
    data: str | None,
    target: str | None,
    output: Path | None,
    write_contract: bool,
    as_json: bool,
    store: str,
    storage: tuple[str, ...],
) -> None:
    """Show what is in SOURCE: a file, directory, glob, URL or job file."""
    from jobs.profile.job import profile_job

    home = opened(store, storage)
    result = ran(profile_job(source, data, target, output, write_contract), home)
    from jobs.profile.text import profile_text
    from jobs.sections.profiling import read

    assert result.profile is not None
    shown(read(result.profile, home.access), as_json, profile_text)
    if not as_json:
        click.echo(f"\n{result.profile.removesuffix('.json')}.html")
