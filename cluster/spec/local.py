"""Worker processes on this machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cluster.errors import ClusterError
from cluster.resources import Resources, machine_cores, machine_memory
from cluster.spec.base import Bytes, Own
from cluster.spec.paths import LocalPath

SHARE = 0.8
"""Part of the machine's memory that the workers get; the rest is for the client, the scheduler and
the page cache."""


class LocalCluster(Own):
    """Worker processes on this machine, reachable from this machine only."""

    kind: Literal["local"] = Field("local", description="Worker processes on this machine.")
    workers: int | None = Field(
        None,
        ge=1,
        strict=True,
        description="Number of worker processes. Left out: as many as the cores and the memory "
        "allow.",
    )
    memory: Bytes | None = Field(
        None,
        description="Memory of one worker, such as `2 GiB`; the plan never exceeds it. Left out: "
        "80 % of this machine's memory (its cgroup limit, if it has one) over the workers.",
    )
    tls: LocalPath | None = Field(
        None,
        description="Folder of certificates (`millrace cluster certs`) that all of its processes "
        "ask each other for. Left out: none, and other users of the machine can reach the cluster.",
    )

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


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
