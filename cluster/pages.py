"""The pages of a scheduler that runs in this process, on 127.0.0.1: all of them, or hardly any."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"

_PLAIN = ["distributed.http.scheduler.prometheus", "distributed.http.health"]
"""Dask's other plain pages show logs and call stacks, to every user of this machine."""


def pages(*, dashboard: bool) -> tuple[dict[str, object], str]:
    """Return Dask's settings for the pages, and the address to serve them at.

    Args:
        dashboard: Serve the dashboard; only it shows the profile.
    """
    if not dashboard:
        routes = {"distributed.scheduler.http.routes": _PLAIN}
        return routes | {"distributed.worker.profile.enabled": False}, f"{LOOPBACK}:0"
    port = _free_port()
    # Dask allows "*": any page in the user's browser could read the dashboard. Bokeh takes no
    # pattern for the port (`bokeh.server.util.create_hosts_allowlist`), so it is chosen here.
    allowed = "distributed.scheduler.dashboard.bokeh-application.allow_websocket_origin"
    origins = [f"{host}:{port}" for host in (LOOPBACK, "localhost")]
    return {"distributed.worker.profile.enabled": True, allowed: origins}, f"{LOOPBACK}:{port}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])
