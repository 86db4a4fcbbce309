"""Clusters of a Dask Gateway server: it decides where they run, and what their workers have.

Connections to the scheduler are encrypted by dask-gateway with a certificate that the server makes
for each cluster. What was asked for is compared with what is there before any work begins.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from distributed import Client
from distributed.utils import LoopRunner

from cluster import secrets
from cluster.errors import ClusterError
from cluster.extras import library
from cluster.resources import Resources
from cluster.spec.gateway import GatewayCluster
from cluster.variables import environment_of
from cluster.waiting import LOOK_SECONDS, wait_for_workers

CONNECT_SECONDS = 30

_log = logging.getLogger("millrace")

ENVIRONMENT = "environment"
"""Option by which servers customarily let users set variables of workers (dask-gateway's manual,
"Exposing cluster options")."""


@contextmanager
def opened(spec: GatewayCluster, resources: Resources) -> Iterator[Client]:
    """Have the server start a cluster, connect to it, and have it stopped on the way out.

    One that the spec names is attached to, and left as it is.

    Args:
        spec: The section of the job file.
        resources: How many workers, and what each may use.

    Yields:
        The connected client.

    Raises:
        ClusterError: The server does not answer, does not know the user, starts no cluster, or
            one whose workers are not what the spec says.
    """
    with ExitStack() as stack:
        server = stack.enter_context(_server(spec))
        name = spec.cluster or stack.enter_context(_started(spec, resources, server))
        report = _running(server, name)
        client = stack.enter_context(
            Client(
                report.scheduler_address,
                security=report.security,
                set_as_default=False,
                timeout=CONNECT_SECONDS,
            )
        )
        if spec.cluster is None:
            _sized(spec, server, name)
        wait_for_workers(client, resources.workers, _absent(spec, name))
        _compare(spec, client)
        yield client


@dataclass(frozen=True)
class _Server:
    """A gateway server, asked one thing after another."""

    spec: GatewayCluster
    gateway: Any
    loop: LoopRunner

    def ask(self, method: str, *args: object, **more: object) -> Any:
        """Call a method of dask-gateway's client; what goes wrong is a `ClusterError`."""
        with _told(self.spec):
            return self.loop.run_sync(getattr(self.gateway, method), *args, **more)


@contextmanager
def _server(spec: GatewayCluster) -> Iterator[_Server]:
    # Not dask-gateway's own blocking mode: it asks a loop for its state that it has stopped, which
    # Dask refuses by now, and Python prints the traceback when the object goes.
    module = library("dask_gateway", "gateway")
    loop = LoopRunner(asynchronous=False)
    loop.start()
    try:
        with _told(spec):
            gateway = module.Gateway(
                spec.address,
                proxy_address=spec.proxy_address,
                auth=_auth(module, spec),
                asynchronous=True,
                loop=loop.loop,
            )
        try:
            yield _Server(spec, gateway, loop)
        finally:
            loop.run_sync(gateway.close)
    finally:
        loop.stop()


@contextmanager
def _started(spec: GatewayCluster, resources: Resources, server: _Server) -> Iterator[str]:
    """Submit a cluster, and have it stopped on the way out."""
    options = dict(spec.options)
    if ENVIRONMENT in dict(server.ask("cluster_options")):
        given = options.get(ENVIRONMENT)
        own = given if isinstance(given, dict) else {}
        options[ENVIRONMENT] = {**environment_of(resources), **own}
    name = str(server.ask("submit", **options))
    try:
        yield name
    finally:
        try:
            server.ask("stop_cluster", name)
        except ClusterError as error:  # it must not hide what ended the session
            _log.warning(
                "cluster %s may still run at the gateway %s: %s", name, spec.address, error
            )


def _running(server: _Server, name: str) -> Any:
    """Return the server's report on a cluster as soon as it runs."""
    while True:
        report = server.ask("get_cluster", name, wait=True)
        if report.status.name == "RUNNING":
            return report
        if report.status.name != "PENDING":
            raise ClusterError(
                f"cluster {name} of the gateway at {server.spec.address} is "
                f"{report.status.name.lower()}",
                "the server's log says why",
            )
        time.sleep(LOOK_SECONDS)


def _auth(gateway: Any, spec: GatewayCluster) -> Any:
    if spec.auth == "kerberos":
        return gateway.KerberosAuth()
    secret = _secret(spec.password) if spec.password else None
    if spec.auth == "basic":
        return gateway.BasicAuth(spec.user, secret)
    return gateway.JupyterHubAuth(secret)


def _secret(reference: str) -> str:
    found = secrets.REFERENCE.fullmatch(reference)
    assert found is not None, "the spec has looked"
    name = found[1]
    path = secrets.file(name)
    try:
        value = secrets.value(name)
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(
            f"the file {path} of {reference} cannot be read as text", "check who may read it"
        ) from error
    if value is None:
        first, second = secrets.variables(name)
        raise ClusterError(
            f"password: {reference} has no value on this machine",
            f"set {first} or {second} in the environment, or write the file {path}",
        )
    return value


def _sized(spec: GatewayCluster, server: _Server, name: str) -> None:
    from dask_gateway import client

    with warnings.catch_warnings():
        # Where a limit of the server stands in the way, it says so by a warning only.
        warnings.simplefilter("error", client.GatewayWarning)
        if spec.most is None:
            server.ask("scale_cluster", name, spec.workers)
        else:
            server.ask("adapt_cluster", name, minimum=spec.workers, maximum=spec.most)


def _compare(spec: GatewayCluster, client: Client) -> None:
    """Refuse workers that are not what the plan was made for."""
    for worker in client.scheduler_info(n_workers=-1)["workers"].values():
        threads, memory = worker["nthreads"], worker["memory_limit"]
        if threads != spec.threads:
            raise ClusterError(
                f"the gateway's workers have {threads} threads, and [cluster] says {spec.threads}",
                f"write threads = {threads}, or ask for others by [cluster.options]",
            )
        if 0 < memory < spec.memory:  # 0: no limit
            raise ClusterError(
                f"the gateway's workers have {memory / 2**30:.2f} GiB, and [cluster] says "
                f"{spec.memory / 2**30:.2f} GiB",
                f'write memory = "{memory // 2**20} MiB", or ask for more by [cluster.options]',
            )


def _absent(spec: GatewayCluster, name: str) -> str:
    if spec.cluster is not None:
        return f"cluster {name} is used as it is: start more workers there, or lower `workers`"
    return (
        "the gateway's own log says why its workers do not start: a limit of the server, a full "
        "cluster, an image without millrace"
    )


@contextmanager
def _told(spec: GatewayCluster) -> Iterator[None]:
    """Say in words what went wrong between here and the server."""
    from aiohttp import ClientError, ClientResponseError
    from dask_gateway import GatewayClusterError, GatewayServerError
    from dask_gateway.client import GatewayWarning

    where = f"the gateway at {spec.address}"
    try:
        yield
    except ClientResponseError as error:
        if error.status in (401, 403):
            raise ClusterError(
                f"{where} does not let you in (HTTP {error.status})",
                "check `auth`, `user` and the secret that `password` names",
            ) from None
        raise ClusterError(f"{where}: HTTP {error.status} {error.message}", _CHECK) from error
    except ValueError as error:  # dask-gateway's for 404 and 422
        raise ClusterError(f"{where}: {error}", _known(spec)) from error
    except GatewayWarning as error:
        raise ClusterError(f"{where}: {error}", "lower `workers` or `most`") from error
    except (GatewayClusterError, GatewayServerError) as error:
        raise ClusterError(f"{where}: {error}", "the server's log says why") from error
    except (ClientError, OSError) as error:  # also what times out
        raise ClusterError(f"{where} does not answer: {error}", _CHECK) from error


_CHECK = "check `address` and `proxy_address`, and that the server runs"


def _known(spec: GatewayCluster) -> str:
    if spec.cluster is not None:
        return "`cluster` names a cluster of yours that runs"
    return "[cluster.options] may hold what the server offers; its manual or administrator knows"
