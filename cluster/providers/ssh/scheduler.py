"""The scheduler of a session, in this process, at the address that the hosts reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from distributed import Scheduler, Security
from distributed.utils import get_ip_interface

from cluster.errors import ClusterError
from cluster.spec.ssh import SshCluster

LOOPBACK = "127.0.0.1"


def listening(spec: SshCluster, ways: Sequence[str]) -> tuple[str, int]:
    """Return where the scheduler listens; port 0 = any.

    Args:
        spec: May name an address or an interface.
        ways: This machine's address on the way to each host.

    Raises:
        ClusterError: There is no such interface, or a host cannot reach the address.
    """
    named, port = spec.listening
    if spec.interface is not None:
        try:
            named = get_ip_interface(spec.interface)
        except ValueError as error:
            raise ClusterError(
                f"`interface` of [cluster]: {error}", "`ip -br address` lists those of this machine"
            ) from None
    address = named or ways[0]
    if _is_loopback(address):
        far = [text for text, way in zip(spec.hosts, ways, strict=True) if not _is_loopback(way)]
        if far:
            raise ClusterError(
                f"{', '.join(far)} cannot reach the scheduler at {address} of this machine",
                "give `address` or `interface` in [cluster], one that all hosts reach",
            )
    return address, port


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a name
        return address == "localhost"


async def started(
    address: str, port: int, security: Security, dashboard: bool, shown_at: str
) -> Scheduler:
    """Start a scheduler in the running event loop.

    Args:
        address: Where it listens, encrypted.
        port: 0 = any.
        security: With the certificates of all roles.
        dashboard: Whether Dask's dashboard is served.
        shown_at: Address of its pages, on 127.0.0.1.

    Raises:
        ClusterError: It cannot listen there.
    """
    try:
        found: Scheduler = await Scheduler(
            host=address,
            port=port,
            protocol="tls",
            security=security,
            dashboard=dashboard,
            dashboard_address=shown_at,
        )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            f"the scheduler cannot listen at {address}"
            + (f":{port}" if port else "")
            + f": {error}",
            "`address` in [cluster] must be one of this machine, with a port that is free",
        ) from error
    return found
