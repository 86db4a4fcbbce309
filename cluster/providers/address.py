"""A cluster that runs already: attached to, asked what it offers, and left as it was."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from distributed import Client, Security
from distributed.versions import VersionMismatchWarning

from cluster.elsewhere import told
from cluster.errors import ClusterError
from cluster.hosting import PROCESS_BYTES, hosted
from cluster.keeping.kept import running
from cluster.reaching import reach
from cluster.resources import CORES, Resources
from cluster.security.material import security
from cluster.spec import AddressCluster

SECONDS = 15
"""Dask's handshake with a scheduler that is known to answer; a busy one takes longer."""


@contextmanager
def opened(spec: AddressCluster) -> Iterator[Client]:
    """Connect to the cluster. On the way out all that it holds for this session is given back.

    Args:
        spec: The section of the job file.

    Yields:
        The connected client.

    Raises:
        ClusterError: The cluster is not there, or refuses this client.
    """
    address, certificates = _place(spec)
    url = urlsplit(address)
    context = certificates.get_connection_args("client")["ssl_context"] if certificates else None
    if url.port:
        reach(url, context)
    try:
        with warnings.catch_warnings():
            # Versions are compared on every worker before a run, ours too.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client = Client(address, security=certificates or Security(), timeout=SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"the scheduler at {address} does not take this client: {error}",
            "a scheduler with certificates is reached at tls:// only; and its version of "
            "distributed should be the one here",
        ) from None
    with client:
        yield client


def offered(spec: AddressCluster, client: Client) -> Resources:
    """Ask the scheduler what its workers have.

    Args:
        spec: The section of the job file.
        client: Connected to it.

    Returns:
        What every worker has at least, with notes on what differs from a cluster of our own.

    Raises:
        ClusterError: The cluster has no worker, or one that is not bounded in memory.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise ClusterError(
            f"the cluster at {spec.address} has no worker",
            "start some: `dask worker ADDRESS --nthreads 1 --memory-limit 4GiB`, with "
            "--tls-ca-file, --tls-cert and --tls-key where the address is tls://",
        )
    memory = [int(worker["memory_limit"] or 0) for worker in workers.values()]
    if not all(memory):
        raise ClusterError(
            f"{memory.count(0)} of {len(memory)} workers have no bound of memory, so no plan "
            "can be made for them",
            "start them with --memory-limit, such as --memory-limit 4GiB",
        )
    held = [int(worker["nthreads"]) for worker in workers.values()]
    threads = _threads(client, min(held))
    notes = told(client, workers, threads)
    # On one of the workers' machines this process takes a part of what its worker may use.
    least = min(memory) - (PROCESS_BYTES if hosted() else 0)
    waiting = min(held) - threads
    # They outlive this job, and have seen others.
    return Resources(len(workers), threads, least, waiting, loaded=True, notes=notes)


def _threads(client: Client, held: int) -> int:
    """Return how many tasks of a worker compute at once: fewer than it holds where we started it.

    `os.getenv` and not a function of ours: millrace may not be there yet.
    """
    # One that is cut off does not answer, until the scheduler gives it up.
    answers = client.run(os.getenv, CORES, on_error="ignore")
    said = [int(value) for value in answers.values() if value]
    return min([held, *said])


def _place(spec: AddressCluster) -> tuple[str, Security | None]:
    """Return the address of the scheduler and the certificates for it."""
    if (way := hosted()) is not None:
        return way.address, way.security()
    folder: Path | None
    if spec.url is None:
        kept = running(spec.address)
        address, folder = str(kept.address), kept.certificates
    else:
        address, folder = spec.address, spec.tls
    return address, security(folder, ["client"]) if folder else None
