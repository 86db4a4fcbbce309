"""Is this machine, or a cluster, fit for a job?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from jobs.commands.options import debug_option, json_option, shown


@click.command()
@click.option(
    "--cluster",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Open the cluster of [cluster] in FILE and look at all of its workers. With a job file "
    "its folders are tried too.",
)
@click.option(
    "--wheel",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Look at nothing; write the millrace of this machine to FOLDER, to install it elsewhere.",
)
@json_option
@debug_option
def doctor(file: Path | None, wheel: Path | None, as_json: bool) -> None:
    """Look whether this machine, or a cluster, is fit for a job; nothing is changed.

    Exit codes: 0 it is, 1 it is not.
    """
    if wheel is not None:
        from cluster.preflight.wheel import written

        click.echo(written(wheel))
        return
    from jobs.show.doctor import cluster, doctor_text, machine

    found = machine() if file is None else cluster(file)
    shown(found, as_json, doctor_text)
    if not found["fit"]:
        sys.exit(1)
