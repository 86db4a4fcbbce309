"""Workers as jobs of a queueing system: SLURM, PBS, LSF, SGE, HTCondor.

One model for each system, so that a key which a system lacks is an unknown key there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from cluster.spec.base import Bytes
from cluster.spec.durations import Duration, seconds
from cluster.spec.elsewhere import Scaled

OUTSIDE = 256 * 2**20
"""Bytes that a job is given beyond its worker's memory: the worker's nanny, a process of its own
that Dask does not count (60 MiB measured), and the shell. A rank of a training is a child of the
worker, and the plan counts it within the worker's memory."""


def _is_line(text: str) -> str:
    if not text.strip() or "\n" in text or "\r" in text:
        raise ValueError("should be one line of text")
    return text


def _is_absolute(path: Path) -> Path:
    if not path.is_absolute() and not str(path).startswith("~"):
        raise ValueError("should start with '/' or '~': it is a path of the nodes too")
    return path


Line = Annotated[str, AfterValidator(_is_line), Field(strict=True)]
"""One line of a job's script."""

Word = Annotated[str, Field(strict=True, pattern=r"^\S+$")]
"""A name that a queueing system knows."""

Everywhere = Annotated[Path, AfterValidator(_is_absolute)]
"""A path that means the same on all machines."""


class Queued(Scaled):
    """Workers that are jobs of a queueing system; the scheduler runs where the command runs."""

    account: Word | None = Field(None, description="Account or project that the jobs count for.")
    directives: tuple[Line, ...] = Field(
        (),
        description="More lines for the header of each job's script, without the system's prefix. "
        "Whoever writes them decides what the queue gives to you: treat a job file of others like "
        "a script of theirs.",
    )
    prologue: tuple[Line, ...] = Field(
        (),
        description="Shell commands before the worker, such as `module load python/3.11`. They run "
        "on the nodes, as you; nothing of them runs on this machine. Here a job file does run "
        "code, so treat one of others like a script of theirs. The script can be read by the "
        "queue's administrators: no secret belongs into it.",
    )
    python: Everywhere | None = Field(
        None,
        description="Python of the nodes, with millrace installed. Left out: the one that runs "
        "this command, under the same path.",
    )
    interface: Word | None = Field(
        None, description="Network interface of this machine towards the nodes, such as `ib0`."
    )
    address: Word | None = Field(
        None,
        description="Address of this machine towards the nodes, instead of `interface`. With "
        "neither: the address of the default route.",
    )
    scratch: Everywhere | None = Field(
        None,
        description="Folder on the disks of the nodes where training keeps its binned rows, such "
        "as `/scratch`. Left out: the jobs' temporary folder.",
    )
    shared: Everywhere = Field(
        Path("~/.millrace/queue"),
        description="Folder that this machine and all nodes see under one path, for the session's "
        "certificates (readable by you only, removed at the end) and the workers' logs.",
    )
    wait: Duration = Field(
        "10 minutes",
        description="How long the queue may take until `workers` of them run, such as `2 hours`. "
        "Also how long work that has lost all workers waits for new ones.",
    )

    @property
    def asked(self) -> int:
        """Bytes that a job asks the queue for: those of the worker, and of what is beside it."""
        return self.memory + OUTSIDE

    @model_validator(mode="after")
    def _one_way_here(self) -> Self:
        if self.interface is not None and self.address is not None:
            raise ValueError("give `interface` or `address`, not both: each says where to listen")
        if self.most is not None and self.most < self.workers:
            raise ValueError(f"`most` is {self.most}, fewer than `workers` ({self.workers})")
        return self


class Timed(Queued):
    """Systems with queues that are chosen by name, and with a limit on a job's time."""

    queue: Word | None = Field(
        None, description="Queue (SLURM: partition). Left out: the system's default."
    )
    walltime: Duration | None = Field(
        None,
        description="Time after which the queue ends a worker, such as `4 hours` or `04:00:00`; "
        "another job then takes its place, and what it was doing is done again. Left out: the "
        "queue's own limit.",
    )

    @property
    def walltime_seconds(self) -> int | None:
        """Seconds that a job may take; None = the queue's own limit."""
        return None if self.walltime is None else round(seconds(self.walltime))


class SlurmCluster(Timed):
    """Workers that are jobs of SLURM."""

    kind: Literal["slurm"] = Field(description="Jobs of SLURM; `pip install 'millrace[slurm]'`.")


class PbsCluster(Timed):
    """Workers that are jobs of PBS: OpenPBS or PBS Professional."""

    kind: Literal["pbs"] = Field(description="Jobs of PBS; `pip install 'millrace[pbs]'`.")


class LsfCluster(Timed):
    """Workers that are jobs of IBM Spectrum LSF."""

    kind: Literal["lsf"] = Field(description="Jobs of LSF; `pip install 'millrace[lsf]'`.")


class SgeCluster(Timed):
    """Workers that are jobs of Grid Engine, whose sites name cores and memory as they like."""

    kind: Literal["sge"] = Field(description="Jobs of SGE; `pip install 'millrace[sge]'`.")
    parallel: Word | None = Field(
        None,
        description="Parallel environment that gives a job several slots of one machine, such as "
        "`smp` (`qconf -spl` lists them). Needed for more than one thread.",
    )
    memory_resource: Word | None = Field(
        None,
        description="Resource that counts memory at this site, such as `m_mem_free` or `mem_free`; "
        "its share is asked for each slot. Left out: no memory is asked for.",
    )

    @model_validator(mode="after")
    def _slots(self) -> Self:
        if self.threads > 1 and self.parallel is None:
            raise ValueError("more than one of `threads` needs `parallel`, such as 'smp'")
        return self


class HtcondorCluster(Queued):
    """Workers that are jobs of HTCondor, in a pool with a shared file system."""

    kind: Literal["htcondor"] = Field(
        description="Jobs of HTCondor; `pip install 'millrace[htcondor]'`."
    )
    disk: Bytes = Field(
        2**30, validate_default=True, description="Disk of one job, such as `20 GiB`."
    )

    @model_validator(mode="after")
    def _are_commands(self) -> Self:
        for line in self.directives:
            if "=" not in line:
                raise ValueError(f"`directives` should look like 'name = value', not {line!r}")
        return self


JobQueue: TypeAlias = SlurmCluster | PbsCluster | LsfCluster | SgeCluster | HtcondorCluster
"""One of the queueing systems."""

QUEUES: tuple[type[Queued], ...] = (
    SlurmCluster,
    PbsCluster,
    LsfCluster,
    SgeCluster,
    HtcondorCluster,
)
