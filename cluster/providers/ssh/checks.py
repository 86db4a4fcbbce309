"""Whether a host has what its workers need."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

from cluster.errors import ClusterError
from cluster.spec.ssh import Host, SshCluster


def check_python(host: Host, there: tuple[int, ...]) -> None:
    """Refuse another Python: what is sent to workers is pickled.

    Args:
        host: The host.
        there: Version of its Python.

    Raises:
        ClusterError: The first two numbers are not those of this process.
    """
    here = sys.version_info[:3]
    if there[:2] != here[:2]:
        raise ClusterError(
            f"host {host.text}: Python {_dotted(there)} runs there and {_dotted(here)} here; the "
            "first two numbers must be the same",
            "name another: `python` in [cluster]",
        )


def check_offer(spec: SshCluster, host: Host, python: str, said: dict[str, Any]) -> None:
    """Refuse a host without Dask, without millrace, or with too little memory.

    Args:
        spec: What is asked for.
        host: The host.
        python: The interpreter there.
        said: What `program.offer` found there.

    Raises:
        ClusterError: Something is missing.
    """
    needed, where = version("distributed"), f"host {host.text}"
    if said["distributed"] != needed:
        found = f"has distributed {said['distributed']}" if said["distributed"] else "has none"
        raise ClusterError(
            f"{where}: distributed {needed} is needed, and {python} {found}",
            f"on the host: `{python} -m pip install distributed=={needed}`",
        )
    if not said["millrace"]:
        raise ClusterError(
            f"{where}: millrace is not installed for {python}",
            f"on the host: `{python} -m pip install millrace`, the version of this machine",
        )
    asked = spec.each * spec.memory
    if asked > said["memory"]:
        raise ClusterError(
            f"{where}: {spec.each} workers of {_gib(spec.memory)} need more memory than the "
            f"{_gib(said['memory'])} that it has",
            "lower `workers` or `memory` in [cluster]",
        )


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
