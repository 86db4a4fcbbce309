"""A real Dask Gateway server on this machine, for the time of a test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]
PASSWORD = "kanarienvogel-4711"
MEMORY = 700 * 2**20

_CONFIGURATION = """
import sys
from dask_gateway_server.options import Integer, Mapping, Options

def handler(options):
    return {{"environment": options.environment, "worker_threads": options.threads}}

c.DaskGateway.address = "127.0.0.1:{private}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "{password}"
c.Proxy.address = "127.0.0.1:{http}"
c.Proxy.tcp_address = "127.0.0.1:{tcp}"
c.LocalBackend.clusters_directory = "{folder}"
c.LocalBackend.sigint_timeout = 2
c.Backend.cluster_options = Options(
    Mapping("environment", {{}}), Integer("threads", 1), handler=handler
)
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.worker_memory = {memory}
c.ClusterConfig.cluster_max_workers = 3
c.ClusterConfig.adaptive_period = 0.5
"""


@dataclass
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    folder: Path
    http: int
    tcp: int

    @property
    def fields(self) -> dict[str, Any]:
        return {
            "kind": "gateway",
            "address": f"http://127.0.0.1:{self.http}",
            "proxy_address": f"127.0.0.1:{self.tcp}",
            "password": "${secret:GATEWAY_PASSWORD}",
            "memory": MEMORY,
        }

    def children(self) -> list[psutil.Process]:
        """Schedulers and workers; not the proxy, nor what collects resources for Python."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                line = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if "proxy" not in line and "resource_tracker" not in line and line:
                found.append(process)
        return found

    def gone(self, seconds: float = 30) -> bool:
        """Whether clusters end by themselves in that time, with processes and folders."""
        end = time.monotonic() + seconds
        clusters = self.folder / "clusters"
        while (self.children() or list(clusters.iterdir())) and time.monotonic() < end:
            time.sleep(0.2)
        return not self.children() and not list(clusters.iterdir())


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Start a server; on the way out it, its proxy and its clusters are ended."""
    private, http, tcp = free_port(), free_port(), free_port()
    clusters = folder / "clusters"
    clusters.mkdir()
    file = folder / "configuration.py"
    file.write_text(
        _CONFIGURATION.format(
            private=private, http=http, tcp=tcp, password=PASSWORD, folder=clusters, memory=MEMORY
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask_gateway_server", "-f", file],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    server = Server(process, folder, http, tcp)
    try:
        _answers(server)
        yield server
    finally:
        _ended(server)


def _answers(server: Server) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.http}/api/version", timeout=1)
            return
        except OSError:
            pass
        assert server.process.poll() is None, (server.folder / "log").read_text()
        assert time.monotonic() < end, (server.folder / "log").read_text()
        time.sleep(0.1)


def _ended(server: Server) -> None:
    """Kill what is left: clusters have sessions of their own and would outlive the server."""
    try:
        family = psutil.Process(server.process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    server.process.send_signal(signal.SIGTERM)
    try:
        server.process.wait(30)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait(30)
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=30)
