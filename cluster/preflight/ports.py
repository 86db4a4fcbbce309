"""The check of ways between workers: training needs each to reach each other's port.

Every worker listens as a rank of LightGBM will, at an address in the spec's network and a port of
its range, and every other connects. The listener says who it is: two machines may have the same
address on a private bridge (Docker's 172.17.0.1), and a worker would then reach itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil
from distributed.comm.addressing import get_address_host

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

CONNECT_SECONDS = 5.0
"""How long a connection may take: a firewall that drops packets never answers."""

AT_ONCE = 32
"""Connections that one worker tries at once."""

LISTENER = "millrace-preflight"

Range = tuple[int, int] | None
"""First and last port; None = any."""


async def listening(server: Any, network: str | None, ports: Range, token: str) -> tuple[str, int]:
    """Listen until `closed`, and tell whoever connects the token.

    Args:
        server: The Dask worker.
        network: In CIDR notation; None = the worker's own address.
        ports: Where to listen.
        token: What tells this worker from others.

    Returns:
        Address and port.

    Raises:
        OSError: This machine has no address in the network, or no port is free.
    """

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever connects closes first, so that this port is free at once for training.
        with suppress(OSError, TimeoutError):
            writer.write(token.encode())
            await asyncio.wait_for(reader.read(), CONNECT_SECONDS)
        writer.close()

    host = own_address(server.address, network)
    for port in [0] if ports is None else range(ports[0], ports[1] + 1):
        try:
            opened = await asyncio.start_server(tell, host, port)
        except OSError:
            continue
        server.extensions[f"{LISTENER}-{token}"] = opened
        return host, opened.sockets[0].getsockname()[1]
    allowed = "" if ports is None else f" in {ports[0]}-{ports[1]}"
    raise OSError(f"no free port{allowed} at {host}")


def own_address(worker: str, network: str | None) -> str:
    """Return the IPv4 address by which others reach this machine.

    Args:
        worker: Address of the Dask worker.
        network: In CIDR notation; None = the worker's own address.

    Raises:
        OSError: This machine has no address in the network.
    """
    if network is None:
        return socket.gethostbyname(get_address_host(worker))
    found = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    own = sorted(str(entry.address) for entry in found if entry.family == socket.AF_INET)
    for address in own:
        if ipaddress.IPv4Address(address) in ipaddress.IPv4Network(network):
            return address
    raise OSError(f"has no address in {network}: it has {', '.join(own)}")


async def closed(server: Any, token: str) -> None:
    """Listen no more.

    Args:
        server: The Dask worker.
        token: What it was given.
    """
    opened = server.extensions.pop(f"{LISTENER}-{token}", None)
    if opened is not None:
        opened.close()


async def unreached(server: Any, others: dict[str, tuple[str, int, str]]) -> dict[str, str]:
    """Connect to other workers.

    Args:
        server: The Dask worker.
        others: Address, port and token, by worker.

    Returns:
        Why it did not work, by worker; empty when it did.
    """
    failed, free = {}, asyncio.Semaphore(AT_ONCE)

    async def connect(name: str, host: str, port: int, token: str) -> None:
        try:
            async with free, asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port)
                said = (await reader.readexactly(len(token))).decode(errors="replace")
                writer.close()
            if said != token:
                failed[name] = f"somebody else listens at {host}:{port}"
        except TimeoutError:
            failed[name] = f"{host}:{port} does not answer"
        except (OSError, asyncio.IncompleteReadError) as error:
            failed[name] = f"{host}:{port}: {getattr(error, 'strerror', None) or error}"

    await asyncio.gather(*(connect(name, *place) for name, place in others.items()))
    return failed


async def checked(asking: Asking, network: str | None, ports: Range) -> Verdict:
    """Try every pair of workers.

    Args:
        asking: The workers.
        network: The spec's.
        ports: The spec's.
    """
    tokens = {worker: secrets.token_hex(8) for worker in asking.workers}
    calls = {worker: (network, ports, token) for worker, token in tokens.items()}
    places = await asking.each(listening, calls)
    try:
        there = {worker: (*place, tokens[worker]) for worker, place in places.found.items()}
        others = {
            worker: ({name: place for name, place in there.items() if name != worker},)
            for worker in there
        }
        waves = len(there) // AT_ONCE + 1
        failed = await asking.each(unreached, others, seconds=waves * CONNECT_SECONDS * 2)
    finally:
        await asking.each(closed, {worker: (token,) for worker, token in tokens.items()})
    return verdict(failed.found, [*places.silent, *failed.silent])


def verdict(failed: Mapping[str, Mapping[str, str]], silent: list[Finding]) -> Verdict:
    """Judge the ways between workers.

    Args:
        failed: By worker, whom it cannot reach, and why.
        silent: Who could not listen, or did not answer.
    """
    pairs = [
        Finding(worker, f"cannot connect to {other} ({why})")
        for worker, there in failed.items()
        for other, why in there.items()
    ]
    hint = (
        "open the ports between the workers (`ports` in [cluster] says which), name the network "
        "that they share (`network`), or train with one worker"
    )
    fine = f"each of {len(failed)} workers reaches every other"
    if len(failed) == 1:
        fine = "there is one worker"
    return Verdict.of("ports", [*silent, *pairs], fine=fine, hint=hint)
