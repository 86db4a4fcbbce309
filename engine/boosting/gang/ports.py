"""Where a rank listens: an address of its host, and ports that are kept until it starts."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import psutil
from distributed.comm.addressing import get_address_host

from engine.errors import SpecError, TrainingFailed

Pair = tuple[socket.socket, socket.socket]
"""Listening sockets: for LightGBM's network, and for the hub."""


def own_address(worker: str, network: str | None) -> str:
    """Return the IPv4 address by which the other ranks reach this host.

    Args:
        worker: Address of the Dask worker, in whose process this runs.
        network: In CIDR notation; None = the worker's own address.

    Raises:
        SpecError: This host has no address in the network.
    """
    if network is None:
        return socket.gethostbyname(get_address_host(worker))
    inside = ipaddress.IPv4Network(network)
    own = _addresses()
    for address in own:
        if ipaddress.IPv4Address(address) in inside:
            return address
    raise SpecError(
        f"the worker {worker} has no address in {network}: it has {', '.join(own)}",
        where="cluster.network",
        hint="name the network that all workers share, or leave it out",
    )


def _addresses() -> list[str]:
    found = (entry for entries in psutil.net_if_addrs().values() for entry in entries)
    return sorted(entry.address for entry in found if entry.family == socket.AF_INET)


def listening(host: str, ports: tuple[int, int] | None, worker: str) -> Pair:
    """Take two ports.

    Args:
        host: Address of this host.
        ports: First and last port that may be taken; None = any.
        worker: How an error names this worker.

    Raises:
        TrainingFailed: Fewer than two of the ports are free.
    """
    numbers = iter((0, 0) if ports is None else range(ports[0], ports[1] + 1))
    first = _first_free(host, numbers)
    second = _first_free(host, numbers)
    if first is None or second is None:
        for kept in (first, second):
            if kept is not None:
                kept.close()
        allowed = f" in {ports[0]}-{ports[1]}" if ports else ""
        raise TrainingFailed(
            f"the worker {worker} has fewer than two free ports{allowed} at {host}",
            where="cluster.ports",
            hint="allow more ports: two for each worker of a machine, and as many for each restart "
            "(a port that was used rests for a minute)",
        )
    return first, second


def _first_free(host: str, numbers: Iterable[int]) -> socket.socket | None:
    for number in numbers:
        kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            kept.bind((host, number))
            kept.listen(128)
            return kept
        except OSError:  # taken, or not ours to take
            kept.close()
    return None
