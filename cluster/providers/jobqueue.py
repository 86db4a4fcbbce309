"""Workers as jobs of a queueing system, through dask-jobqueue.

The scheduler is in this process and takes TLS only. Jobs are cancelled on the way out. When this
process is killed, workers end as soon as their connection breaks, and jobs that begin later find no
scheduler and end by themselves.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client
from distributed.core import Status
from distributed.utils import get_ip

from cluster.errors import ClusterError
from cluster.pages import pages
from cluster.providers import job_scripts
from cluster.providers.growth import Growth
from cluster.providers.job_folder import JobFolder, job_folder
from cluster.resources import Resources
from cluster.security.material import security
from cluster.settings import SETTINGS
from cluster.spec.durations import seconds
from cluster.spec.jobqueue import JobQueue

LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0
"""While it waits for the queue, a session says so this often."""

LOST_SECONDS = 5
"""A worker that is gone for so long has lost its job: its nanny takes 2 to 4 s to start another."""

CLOSE_SECONDS = 30

LOOK_WITH = {
    "slurm": "squeue --jobs {}",
    "pbs": "qstat {}",
    "lsf": "bjobs {}",
    "sge": "qstat",
    "htcondor": "condor_q {}",
}
"""What tells the user why jobs wait."""

log = logging.getLogger("millrace")


@contextmanager
def opened(spec: JobQueue, resources: Resources) -> Iterator[Client]:
    """Submit a job for each worker, wait until they run, and cancel them on the way out.

    Args:
        spec: The section of the job file.
        resources: How many workers, and what each may use.

    Yields:
        The connected client.

    Raises:
        ClusterError: The queue refuses the jobs, or they do not run within ``wait``.
    """
    job = _mended(job_scripts.job_class(spec.kind))
    waiting = f"{seconds(spec.wait):.0f} s"
    shown, address = pages(dashboard=spec.dashboard)
    settings = (
        SETTINGS
        | shown
        | {
            "distributed.scheduler.no-workers-timeout": waiting,
            "distributed.deploy.lost-worker-timeout": f"{LOST_SECONDS} s",
        }
    )
    with ExitStack() as stack:
        folder = stack.enter_context(job_folder(spec))
        stack.enter_context(dask.config.set(settings | job_scripts.defaults(spec.kind)))
        cluster = stack.enter_context(_started(spec, resources, job, folder, address))
        _submit(cluster, spec, resources.workers)
        client = stack.enter_context(Client(cluster, timeout=30))
        _wait(client, cluster, spec, folder)
        cluster.adapt(
            Adaptive=Growth,
            held=resources.held,
            minimum=resources.workers,
            maximum=resources.most or resources.workers,
        )
        yield client


def _mended(job: Any) -> Any:
    """Return a class of jobs without the faults of dask-jobqueue 0.9.

    A job does not say that it was refused or has been closed, and Dask's SpecCluster asserts on its
    way out that each has said one of them. And what LSF says when it refuses a job goes to
    /dev/null.
    """

    class Mended(job):  # type: ignore[misc]
        async def start(self) -> None:
            try:
                await super().start()
            except BaseException:
                self.status = Status.failed
                raise

        async def close(self) -> None:
            await super().close()
            self.status = Status.closed

        async def _submit_job(self, script: str) -> str:
            if self.submit_command != "bsub":
                return str(await super()._submit_job(script))
            return str(await self._call([f"bsub < {shlex.quote(script)}"], shell=True))

    return Mended


@contextmanager
def _started(
    spec: JobQueue, resources: Resources, job: Any, folder: JobFolder, shown_at: str
) -> Iterator[Any]:
    from dask_jobqueue.core import JobQueueCluster

    if spec.interface is not None:
        here = {"interface": spec.interface}
    else:
        here = {"host": spec.address or get_ip()}
    try:
        cluster = JobQueueCluster(
            job_cls=job,
            name=job_scripts.NAME,
            security=security(folder.tls, ("scheduler", "worker", "client")),
            protocol="tls://",
            # Dask's plain HTTP server would listen on all interfaces, at the fixed port 8787.
            scheduler_options=here | {"dashboard": spec.dashboard, "dashboard_address": shown_at},
            silence_logs=logging.ERROR,
            **job_scripts.options(spec, resources, folder.logs),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"the scheduler did not start: {error}",
            "see `address` and `interface` in [cluster]: this machine's, towards the nodes",
        ) from error
    try:
        yield cluster
    finally:
        cluster.close(timeout=CLOSE_SECONDS)


def _submit(cluster: Any, spec: JobQueue, workers: int) -> None:
    """Submit the first jobs; `scale` would lose what the queue says to them."""

    async def submitted() -> None:
        await cluster

    for _ in range(workers):
        cluster.worker_spec.update(cluster.new_worker_spec())
    try:
        cluster.sync(submitted)
    except FileNotFoundError as error:
        raise ClusterError(
            f'kind = "{spec.kind}" needs the command {error.filename}, which is not on this '
            "machine",
            "run this on a machine from which jobs can be submitted",
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"the queue refused a worker: {job_scripts.refusal(error)}",
            f"see {_keys(spec)} in [cluster]",
        ) from error


def _keys(spec: JobQueue) -> str:
    """Return the keys that say what the queue is asked for, as they stand in the job file."""
    names = ("queue", "account", "walltime", "directives")
    given = [
        f"{name} = {_toml(getattr(spec, name))}" for name in names if getattr(spec, name, None)
    ]
    return ", ".join(f"`{key}`" for key in [*given, "memory", "threads"])


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _wait(client: Client, cluster: Any, spec: JobQueue, folder: JobFolder) -> None:
    """Wait until all workers are there; say so where it takes long."""
    began, told = time.monotonic(), 0.0
    look = LOOK_WITH[spec.kind].format(_separated(spec.kind, _jobs(cluster)))
    while (there := len(client.scheduler_info(n_workers=-1)["workers"])) < spec.workers:
        waited = time.monotonic() - began
        if ended := folder.ended():
            raise ClusterError(
                f"a worker's job ended with status {ended} before the worker came: {folder.tail()}",
                f"see `python`, `prologue` and `shared` in [cluster]; logs: {folder.logs}",
            )
        if waited > seconds(spec.wait):
            raise ClusterError(
                f"{there} of {spec.workers} workers run after {spec.wait}: {folder.tail()}",
                f"`{look}` says why jobs wait; raise `wait` in [cluster] for a long queue, or ask "
                f"for less ({_keys(spec)}); logs: {folder.logs}",
            )
        if waited - told >= TELL_SECONDS:
            told = waited
            log.warning(
                "waiting for the queue for %.0f s: %d of %d workers run (`%s` says why)",
                *(waited, there, spec.workers, look),
            )
        time.sleep(LOOK_SECONDS)


def _jobs(cluster: Any) -> list[str]:
    return sorted(job.job_id for job in cluster.workers.values() if job.job_id)


def _separated(kind: str, jobs: Sequence[str]) -> str:
    return ("," if kind == "slurm" else " ").join(jobs)
