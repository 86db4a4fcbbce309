"""The server of the pages: on the loopback interface, GET alone, nothing leaves a page.

Who may ask is whoever is on this machine. Pages of other sites cannot: no answer allows them to
read it (no CORS), and a name of theirs that is made to point here (DNS rebinding) is refused by its
Host header. What a page may load is this server's own style sheet and script.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from engine.errors import SpecError
from jobs.ui.answers import STATIC, List, Listed, Metrics, Nothing, OneRun, RunPage, Static, Told
from jobs.ui.store import Runs
from jobs.ui.view import REPORTS

LOOPBACK = "127.0.0.1"


def application(runs: Runs, pool: ThreadPoolExecutor) -> Application:
    """Return the addresses and what answers them.

    Args:
        runs: The runs.
        pool: Threads for what reads them.
    """
    shared = {"runs": runs, "pool": pool}
    run, static = r"([0-9A-Za-z-]+)", "|".join(STATIC)
    addresses = [
        (r"/", List),
        (rf"/runs/{run}", OneRun),
        (rf"/runs/{run}/({'|'.join(REPORTS)})", RunPage),
        (r"/api/runs", Listed),
        (rf"/api/runs/{run}", Told),
        (r"/metrics", Metrics),
        (rf"/static/({static})", Static),
    ]
    return Application(
        [(pattern, handler, shared) for pattern, handler in addresses],
        default_handler_class=Nothing,
        default_handler_args=shared,
        log_function=lambda _: None,  # a page asks every second
    )


async def serve(runs: Runs, port: int, ready: Callable[[str], None]) -> None:
    """Serve the pages until the task is cancelled.

    Args:
        runs: The runs.
        port: Port on 127.0.0.1; 0 takes a free one.
        ready: Called with the address when the server answers.

    Raises:
        SpecError: The port is taken, or may not be used.
    """
    try:
        sockets = bind_sockets(port, LOOPBACK)
    except OSError as error:
        hint = "take another `--port`, or leave it out for a free one"
        raise SpecError(
            f"cannot listen: {error.strerror}", where=f"port {port}", hint=hint
        ) from error
    with ThreadPoolExecutor(4, thread_name_prefix="runs") as pool:
        server = HTTPServer(application(runs, pool))
        server.add_sockets(sockets)
        try:
            ready(f"http://{LOOPBACK}:{sockets[0].getsockname()[1]}/")
            await asyncio.Event().wait()
        finally:
            server.stop()
            await server.close_all_connections()
