"""What dask-jobqueue is told of a worker's job: what to ask the queue for, and what to run.

No secret is in a script: the paths of certificates are, which only their owner can read.
"""

from __future__ import annotations

import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask

from cluster.extras import library
from cluster.resources import Resources
from cluster.settings import SETTINGS, worker_environment
from cluster.spec.durations import seconds
from cluster.spec.jobqueue import (
    HtcondorCluster,
    JobQueue,
    LsfCluster,
    PbsCluster,
    SgeCluster,
    SlurmCluster,
    Timed,
)

if TYPE_CHECKING:
    from dask_jobqueue.core import Job

DEATH_SECONDS = 60
"""A worker that finds no scheduler for so long ends, and its job with it. (One that had found it
ends as soon as the connection breaks.)"""

NAME = "millrace"
"""Name of the jobs."""

ENDED = ".ended"
"""Each job leaves a file of this suffix beside its log: how it ended. No queueing system tells that
in the same way as another."""

MIB = 2**20

_CLASSES = {
    "slurm": "SLURMJob",
    "pbs": "PBSJob",
    "lsf": "LSFJob",
    "sge": "SGEJob",
    "htcondor": "HTCondorJob",
}


def job_class(kind: str) -> type[Job]:
    """Return dask-jobqueue's class for the jobs of a system.

    Args:
        kind: The system.

    Raises:
        ClusterError: dask-jobqueue is not installed.
    """
    library("dask_jobqueue", kind)
    found: type[Job] = getattr(import_module(f"dask_jobqueue.{kind}"), _CLASSES[kind])
    return found


def defaults(kind: str) -> dict[str, object]:
    """Return Dask settings under which the job file alone says how jobs look.

    Else what stands in ``~/.config/dask/jobqueue.yaml`` would count where the job file is silent,
    and dask-jobqueue's own default of 30 minutes for a job's time.
    """
    import dask_jobqueue

    file = Path(dask_jobqueue.__file__).parent / "jobqueue.yaml"
    [found] = dask.config.collect_yaml([str(file)])
    return {f"jobqueue.{kind}": found["jobqueue"][kind] | {"walltime": None}}


def options(spec: JobQueue, resources: Resources, logs: Path) -> dict[str, Any]:
    """Return the arguments of the class of jobs; connections and security apart.

    Args:
        spec: The section of the job file.
        resources: What a worker may use.
        logs: Folder for what the workers say.
    """
    return {
        "cores": resources.threads,
        "memory": f"{spec.asked}B",
        "processes": 1,
        "nanny": True,
        "death_timeout": DEATH_SECONDS,
        "local_directory": _quoted(spec.scratch),
        "log_directory": str(logs),
        "python": _quoted(spec.python or Path(sys.executable)),
        "job_name": NAME,
        # The last of two options counts: dask-jobqueue gives a worker all that the queue is asked
        # for, and as many threads as cores.
        "worker_extra_args": [
            *("--memory-limit", f"{resources.memory}B", "--nthreads", str(resources.held)),
            # A worker serves plain HTTP beside TLS: on loopback only.
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
        ],
        "job_script_prologue": [
            *_begin(spec, resources, logs),
            *spec.prologue,
        ],
        "job_extra_directives": list(spec.directives),
    } | _of_system(spec)


def refusal(error: Exception) -> str:
    """Return what the command that submits said, of what dask-jobqueue tells of it.

    Args:
        error: "Command exited with non-zero exit code ... stdout: ... stderr: ...".
    """
    _, _, said = str(error).partition("stderr:\n")
    return "; ".join(line.strip() for line in (said or str(error)).splitlines() if line.strip())


def _quoted(path: Path | None) -> str | None:
    # dask-jobqueue puts a command together without quoting.
    return None if path is None else shlex.quote(str(path.expanduser()))


def _begin(spec: JobQueue, resources: Resources, logs: Path) -> list[str]:
    """Return the lines before the worker, and before those of the job file."""
    settings = SETTINGS | {
        "distributed.worker.profile.enabled": spec.dashboard,
        "distributed.comm.require-encryption": True,
        "distributed.scheduler.no-workers-timeout": f"{seconds(spec.wait):.0f} s",
        # A worker merges a mapping with Dask's default, so an empty one would change nothing.
        "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": None},
    }
    inherited = {"DASK_INTERNAL_INHERIT_CONFIG": dask.config.serialize(settings)}
    # No "$(...)", which HTCondor would take for a macro of its own.
    ended = shlex.quote(str(logs / "job-")) + f"$$-`hostname`{ENDED}"
    exports = (worker_environment(resources) | inherited).items()
    return [
        # Keys and logs are for their owner alone.
        "umask 077",
        f'trap "echo \\$? > {ended}" EXIT',
        *(f"export {name}={shlex.quote(value)}" for name, value in exports),
    ]


def _of_system(spec: JobQueue) -> dict[str, Any]:
    """Return what each system calls by its own name."""
    mib = -(-spec.asked // MIB)
    match spec:
        case SlurmCluster():
            # dask-jobqueue would round 1.1 GiB up to 2.
            return _timed(spec) | {"account": spec.account, "job_mem": f"{mib}M"}
        case PbsCluster():
            asked = f"select=1:ncpus={spec.threads}:mem={mib}mb"
            return _timed(spec) | {"account": spec.account, "resource_spec": asked}
        case LsfCluster():
            return _timed(spec) | {"project": spec.account}
        case SgeCluster():
            return _timed(spec) | {"project": spec.account} | _slots(spec, mib)
        case HtcondorCluster():
            given = (line.partition("=") for line in spec.directives)
            commands = {name.strip(): value.strip() for name, _, value in given}
            account = {"accounting_group": spec.account} if spec.account else {}
            return {"disk": f"{spec.disk}B", "job_extra_directives": account | commands}


def _timed(spec: Timed) -> dict[str, Any]:
    given = spec.walltime_seconds
    if given is None:
        return {"queue": spec.queue}
    # LSF counts in hours and minutes, the others in seconds too.
    minutes, rest = divmod(-(-given // 60) * 60 if isinstance(spec, LsfCluster) else given, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours:02}:{minutes:02}" + ("" if isinstance(spec, LsfCluster) else f":{rest:02}")
    return {"queue": spec.queue, "walltime": text}


def _slots(spec: SgeCluster, mib: int) -> dict[str, Any]:
    # Grid Engine may start a script with csh whatever its first line says.
    lines = ["-S /bin/bash", *spec.directives]
    if spec.parallel is not None:
        lines.insert(1, f"-pe {spec.parallel} {spec.threads}")
    if spec.memory_resource is None:
        return {"job_extra_directives": lines}
    share = -(-mib // spec.threads)  # it is asked for each slot
    return {"job_extra_directives": lines, "resource_spec": f"{spec.memory_resource}={share}M"}
