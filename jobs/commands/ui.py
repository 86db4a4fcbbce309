"""The page of runs."""

from __future__ import annotations

import click

from jobs.commands.options import debug_option, opened, storage_option, store_option


@click.command()
@store_option
@storage_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port on 127.0.0.1; 0, the default, takes a free one.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
@debug_option
def ui(store: str, storage: tuple[str, ...], port: int, show: bool) -> None:
    """Serve a page of the runs, and their metrics for Prometheus, until Ctrl-C.

    On 127.0.0.1 alone; it never changes a run.
    """
    import asyncio
    import signal

    from jobs.ui.server import serve
    from jobs.ui.store import Runs

    runs = Runs(opened(store, storage))

    def ready(address: str) -> None:
        click.echo(address)
        click.echo(f"runs of {runs.store.location}; Ctrl-C ends the server", err=True)
        if show:
            click.launch(address)

    async def until_told() -> None:
        serving = asyncio.ensure_future(serve(runs, port, ready))
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            return  # the ordinary end

    asyncio.run(until_told())
