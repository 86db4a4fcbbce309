"""Which cluster a job asks for: one frozen model per kind.

Today there is one kind. The next one makes ``ClusterSpec`` a union that pydantic tells apart by
``kind``: ``Annotated[LocalCluster | SshCluster, Field(discriminator="kind")]``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, Field

from cluster.errors import ClusterError
from cluster.resources import Resources, machine_cores, machine_memory

SHARE = 0.8
"""Part of the machine's memory that the workers get; the rest is for the client, the scheduler and
the page cache."""


def _is_size(value: object) -> object:
    # pydantic takes True for 1, and does not look at what follows the unit.
    text = isinstance(value, str) and re.fullmatch(r"\s*[\d.]+\s*[A-Za-z]*\s*", value)
    if isinstance(value, bool) or not (text or isinstance(value, int)):
        raise ValueError("should be a number of bytes such as 2147483648 or '2 GiB'")
    return value


Bytes = Annotated[ByteSize, BeforeValidator(_is_size), Field(gt=0)]
"""A number of bytes, greater than zero: an integer, or a string such as ``"2 GiB"``."""


LOWEST_PORT, HIGHEST_PORT = 1024, 65535


def _is_range(text: str) -> str:
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    low, high = map(int, found.groups()) if found else (0, 0)
    if not LOWEST_PORT <= low < high <= HIGHEST_PORT:
        raise ValueError(
            f"should be two ports from {LOWEST_PORT} to {HIGHEST_PORT}, the lower one first, such "
            "as '12400-12499'"
        )
    return text


def _is_network(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"should be an IPv4 network such as '10.1.0.0/16': {error}") from error


class LocalCluster(BaseModel):
    """Worker processes on this machine, reachable from this machine only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local"] = Field("local", description="Worker processes on this machine.")
    workers: int | None = Field(
        None,
        ge=1,
        strict=True,
        description="Number of worker processes. Left out: as many as the cores and the memory "
        "allow.",
    )
    threads: int = Field(1, ge=1, strict=True, description="Threads of one worker.")
    memory: Bytes | None = Field(
        None,
        description="Memory of one worker, such as `2 GiB`; the plan never exceeds it. Left out: "
        "80 % of this machine's memory (its cgroup limit, if it has one) over the workers.",
    )
    dashboard: bool = Field(
        False,
        strict=True,
        description="Serve Dask's dashboard, on 127.0.0.1 only, while the job runs.",
    )

    ports: Annotated[str, AfterValidator(_is_range)] | None = Field(
        None,
        strict=True,
        description="Ports that training may listen at, such as `12400-12499`: two for each worker "
        "of a machine, and as many again for each restart after a fault, because a port that was "
        "used rests for a minute. Left out: any free port.",
    )
    network: Annotated[str, AfterValidator(_is_network)] | None = Field(
        None,
        strict=True,
        description="Network in which the workers train together, such as `10.1.0.0/16`: each "
        "takes its own address in it. LightGBM's traffic is neither encrypted nor authenticated, "
        "so it should be a private one. Left out: the address that the worker is known by.",
    )

    @property
    def port_range(self) -> tuple[int, int] | None:
        """First and last port that training may listen at; None = any."""
        if self.ports is None:
            return None
        low, high = self.ports.split("-")
        return int(low), int(high)

    def resources(self, *, remote: bool = False) -> Resources:
        """Return what the cluster will offer, sized to this machine where the spec leaves it open.

        Args:
            remote: Whether its tasks read from a store or write to one, and wait for it.

        Raises:
            ClusterError: The workers together ask for more memory than this machine has.
        """
        total, threads = machine_memory(), self.threads
        workers = self.workers or self._workers(int(total * SHARE))
        memory = self.memory or int(total * SHARE) // workers
        if workers * memory > total:
            raise ClusterError(
                f"{workers} workers of {_gib(memory)} need more memory than the "
                f"{_gib(total)} that this machine offers",
                f"lower `workers` or `memory` in [cluster], to {_gib(int(total * SHARE))} in all "
                "or less",
            )
        return Resources(workers, threads, memory, waiting=threads * remote)

    def _workers(self, memory: int) -> int:
        by_cores = machine_cores() // self.threads
        by_memory = memory // self.memory if self.memory else by_cores
        return max(1, min(by_cores, by_memory))


ClusterSpec: TypeAlias = LocalCluster


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
