"""Which cluster a job asks for: one frozen model per kind.

Today there is one kind. The next one makes ``ClusterSpec`` a union that pydantic tells apart by
``kind``: ``Annotated[LocalCluster | SshCluster, Field(discriminator="kind")]``.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field

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

    def resources(self) -> Resources:
        """Return what the cluster will offer, sized to this machine where the spec leaves it open.

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
        return Resources(workers, threads, memory)

    def _workers(self, memory: int) -> int:
        by_cores = machine_cores() // self.threads
        by_memory = memory // self.memory if self.memory else by_cores
        return max(1, min(by_cores, by_memory))


ClusterSpec: TypeAlias = LocalCluster


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
