"""How many jobs there should be: those that were lost are replaced, more come while work waits.

Dask's own rule looks at how long tasks take, and would not see that a pass submits only a window of
its partitions. And it may take a worker that runs a task, which a training cannot bear. Here a
worker is given back only when it has been idle for a while, when nobody holds it (`engine` holds
each worker of a training with the lock `pin` names), and through Dask's retiring, which first moves
what the worker holds.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from distributed import Lock
from distributed.deploy.adaptive import Adaptive

from cluster.providers.job_scripts import refusal
from cluster.resources import pin

LOOK_SECONDS = 5.0
"""So often is looked."""

GROW_SECONDS = 10.0
"""Work must wait for so long before more workers are asked for: a short pass needs none."""

IDLE_LOOKS = 12
"""Looks in a row at which a worker must be one too many before it is given back, a minute: a queue
may not give it again for long."""

TELL_SECONDS = 300.0
"""A queue that refuses jobs is told of so often."""

log = logging.getLogger("millrace")


class Growth(Adaptive):
    """Keeps as many jobs as there is work for, between the first number and the last.

    Args:
        cluster: A cluster of dask-jobqueue, whose scheduler is in this process.
        held: Tasks that one worker has begun at most.
        **given: What Dask's `Adaptive` takes: ``minimum`` and ``maximum``.
    """

    cluster: Any

    def __init__(self, cluster: Any, *, held: int, **given: Any) -> None:
        """Begin to look."""
        self._held = held
        self._waits_since: float | None = None
        self._told = float("-inf")
        super().__init__(cluster, interval=LOOK_SECONDS, wait_count=IDLE_LOOKS, **given)

    async def target(self) -> int:
        """Return the number of workers that the tasks under way can use."""
        scheduler = self.cluster.scheduler
        given = sum(len(worker.processing) for worker in scheduler.workers.values())
        tasks = given + len(scheduler.queued) + len(scheduler.unrunnable)
        wanted, now = math.ceil(tasks / self._held), time.monotonic()
        if wanted <= len(self.plan):
            self._waits_since = None
            return wanted
        self._waits_since = self._waits_since or now
        return wanted if now - self._waits_since >= GROW_SECONDS else len(self.plan)

    async def recommendations(self, target: int) -> dict[str, Any]:
        """Return what to do, after jobs that were lost are there again."""
        if len(self.plan) != len(self.requested):
            with self._refusals():
                await self.cluster
        if len(self.plan) != len(self.requested):
            return {"status": "same"}
        found: dict[str, Any] = await super().recommendations(target)
        return found

    async def scale_up(self, n: Any) -> None:
        """Ask for jobs until there are ``n``."""
        while len(self.cluster.worker_spec) < n:
            self.cluster.worker_spec.update(self.cluster.new_worker_spec())
        with self._refusals():
            await self.cluster

    async def workers_to_close(self, target: int) -> list[str]:
        """Return the names of idle workers, as many as are too many."""
        workers = self.cluster.scheduler.workers.values()
        idle = [worker.name for worker in workers if not worker.processing]
        return idle[: max(0, len(workers) - target)]

    async def scale_down(self, workers: Any) -> None:
        """Give workers back that nobody holds and that have nothing to do.

        Args:
            workers: Their names; jobs that still wait in the queue are simply cancelled.
        """
        scheduler = self.cluster.scheduler
        there = {worker.name: worker for worker in scheduler.workers.values()}
        async with AsyncExitStack() as stack:
            given = []
            for name in workers:
                worker = there.get(name)
                if worker is not None and not await self._taken(worker.address, stack):
                    continue
                if worker is None or not worker.processing:
                    given.append(name)
            await scheduler.retire_workers(names=given, remove=True, close_workers=True)
            # What only such a worker holds and nobody else could take stays with it.
            kept = {worker.name for worker in scheduler.workers.values()}
            await self.cluster.scale_down([name for name in given if name not in kept])

    async def _taken(self, address: str, stack: AsyncExitStack) -> bool:
        """Tell whether the worker is ours now: a training that wants it waits for us."""
        lock = Lock(pin(address), self.cluster.scheduler_comm, self.cluster.loop)
        if not await lock.acquire(timeout=0):
            return False
        stack.push_async_callback(lock.release)
        return True

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Let jobs that the queue refuses be asked for again at the next look, and say so."""
        try:
            yield
        except (RuntimeError, OSError, ValueError) as error:
            jobs = self.cluster.workers
            for name in [name for name, job in jobs.items() if job.job_id is None]:
                del jobs[name]
            if time.monotonic() - self._told >= TELL_SECONDS:
                self._told = time.monotonic()
                told = "the queue refuses more workers, work goes on with fewer: %s"
                log.warning(told, refusal(error))
