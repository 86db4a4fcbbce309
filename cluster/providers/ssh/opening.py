"""Open a cluster over SSH: the scheduler here, the workers on the hosts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

import dask
from distributed import Client
from distributed.utils import LoopRunner, silence_logging_cmgr, sync

from cluster.errors import ClusterError
from cluster.pages import pages
from cluster.providers.ssh.host import Workers, at_once
from cluster.providers.ssh.keys import keys, of_worker
from cluster.providers.ssh.scheduler import LOOPBACK, listening, started
from cluster.resources import Resources
from cluster.settings import SETTINGS, worker_environment
from cluster.spec.ssh import SshCluster

SILENCE_SECONDS = 60.0
"""Workers that hear nothing of this process for so long end. Less would end them for a native call
that holds the GIL here."""

DEATH_SECONDS = 60
"""So do workers that do not find the scheduler."""


@contextmanager
def opened(spec: SshCluster, resources: Resources) -> Iterator[Client]:
    """Start a scheduler here and workers on the hosts, and end all on the way out.

    Args:
        spec: The section of the job file.
        resources: How many workers, and what each may use.

    Yields:
        The connected client.

    Raises:
        ClusterError: A host cannot be had; all that cannot are named.
    """
    if find_spec("asyncssh") is None:
        raise ClusterError(
            'kind = "ssh" needs a package that is not installed', "pip install 'millrace[ssh]'"
        )
    security = keys(spec.tls)
    shown, address = pages(dashboard=spec.dashboard)
    settings = SETTINGS | shown
    link = {"distributed.dashboard.link": f"http://{LOOPBACK}:{{port}}/status"}
    hosts = [Workers(spec, host) for host in spec.reached]
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings | link))
        stack.enter_context(silence_logging_cmgr(logging.ERROR))
        loop = stack.enter_context(_loop())

        def run(work: Callable[..., Any], *arguments: Any) -> Any:
            return sync(loop, work, *arguments)

        stack.callback(run, at_once, Workers.close, hosts)
        ways: Sequence[str] = run(at_once, Workers.connect, hosts)
        scheduler = run(started, *listening(spec, ways), security, spec.dashboard, address)
        stack.callback(run, scheduler.close)
        order = {
            "scheduler": scheduler.address,
            "workers": spec.each,
            "security": of_worker(security),
            "settings": settings,
            "environment": worker_environment(resources),
            "silence": SILENCE_SECONDS,
            "nanny": _nanny(resources),
        }
        stack.callback(run, at_once, Workers.close, hosts)  # before the scheduler
        run(at_once, Workers.start, hosts, order)
        yield stack.enter_context(
            Client(scheduler.address, security=security, timeout=30, loop=loop)
        )


def _nanny(resources: Resources) -> dict[str, object]:
    return {
        "nthreads": resources.held,
        "memory_limit": resources.memory,
        "death_timeout": DEATH_SECONDS,
        # Else its plain HTTP server would listen beside the encrypted one, for anyone.
        "dashboard_address": f"{LOOPBACK}:0",
    }


@contextmanager
def _loop() -> Iterator[Any]:
    runner = LoopRunner()
    runner.start()
    try:
        yield runner.loop
    finally:
        runner.stop()
