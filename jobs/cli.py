"""The command line: ``millrace`` and its commands.

Results go to stdout, progress and errors to stderr. What a command needs is imported when it runs,
so that ``millrace --help`` is there at once.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from jobs.commands import beginning, clusters, doctor, ending, looking, outputs, running
from jobs.commands.options import DEBUG
from jobs.commands.ui import ui
from jobs.failure import failure


class Commands(click.Group):
    """The one place where an error becomes a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which a job meets them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises ends here, but what click itself knows."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except BrokenPipeError:
            raise  # click ends quietly when the reader of the output is gone
        except BaseException as error:  # Polars' panics are no `Exception`
            if ctx.meta.get(DEBUG):
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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Version."
)
def main() -> None:
    """Train on tables larger than memory, and score them, as one job file says.

    Exit codes: 0 done, 1 the job failed, 2 bad job file or usage, 3 the data break the contract or
    a quality gate, 75 something that passes has failed (try again), 130 cancelled.
    """


for command in (
    beginning.init,
    beginning.profile,
    running.plan,
    running.run,
    running.submit,
    looking.list_,
    looking.status,
    looking.logs,
    ending.cancel,
    running.resume,
    looking.report,
    ui,
    ending.rm,
    outputs.verify,
    outputs.gc,
    outputs.head,
    clusters.cluster,
    doctor.doctor,
):
    main.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
