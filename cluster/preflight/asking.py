"""Questions to all workers at once, none of which can hold the others up."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any

import cloudpickle
from distributed import Client

import cluster
from cluster.preflight.verdict import Finding

PING_SECONDS = 10.0
"""How long a worker may take to answer at all. Its event loop is beside its tasks, but a native
call that holds the GIL for seconds is nothing unusual."""

ANSWER_SECONDS = 20.0
"""How long one question may take on a worker: a folder on a dead NFS server blocks for ever."""

AT_ONCE = 64
"""Questions under way at once: each takes a connection to the scheduler."""


SCHEDULER = "the scheduler"
"""What findings call it, where those of workers have their address."""


@dataclass
class Answers:
    """What was answered to one question.

    Attributes:
        found: The answers by worker.
        failed: Why there is none, by worker.
    """

    found: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def silent(self) -> list[Finding]:
        """The workers that gave no answer."""
        return [Finding(worker, why) for worker, why in self.failed.items()]


class Asking:
    """Runs functions on the workers of a cluster, and on its scheduler.

    A function is called with the Dask worker (or scheduler) and the arguments, in a thread of its
    own, or in the event loop when it is a coroutine function.

    Args:
        client: An open client.
        workers: Addresses of those that are asked.
    """

    def __init__(self, client: Client, workers: list[str]) -> None:
        """Keep both; nothing is asked yet."""
        self._client, self.workers = client, workers
        self._free = asyncio.Semaphore(AT_ONCE)

    async def all(
        self, function: Callable[..., Any], *arguments: Any, seconds: float = ANSWER_SECONDS
    ) -> Answers:
        """Ask all workers the same."""
        return await self.each(function, dict.fromkeys(self.workers, arguments), seconds=seconds)

    async def each(
        self,
        function: Callable[..., Any],
        calls: Mapping[str, tuple[Any, ...]],
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> Answers:
        """Ask each worker with arguments of its own.

        Args:
            function: What is called there.
            calls: Arguments by worker.
            seconds: How long it may take there.
        """
        sent, answers = _sent(function, seconds), Answers()

        async def ask(worker: str, arguments: tuple[Any, ...]) -> None:
            async def asked() -> Any:
                return (await self._client.run(sent, *arguments, workers=[worker]))[worker]

            async with self._free:
                await _answered(asked, worker, answers, seconds)

        await asyncio.gather(*(ask(*call) for call in calls.items()))
        return answers

    async def everyone(self, function: Callable[..., Any], *arguments: Any) -> Answers:
        """Ask all workers and the scheduler the same."""
        answers, own = await asyncio.gather(
            self.all(function, *arguments), self.of_scheduler(function, *arguments)
        )
        return Answers(answers.found | own.found, answers.failed | own.failed)

    async def of_scheduler(self, function: Callable[..., Any], *arguments: Any) -> Answers:
        """Ask the scheduler."""
        sent, answers = _sent(function, ANSWER_SECONDS), Answers()

        async def asked() -> Any:
            return await self._client.run_on_scheduler(sent, *arguments)

        await _answered(asked, SCHEDULER, answers, ANSWER_SECONDS)
        return answers


async def _answered(
    asked: Callable[[], Awaitable[Any]], name: str, answers: Answers, seconds: float
) -> None:
    """Wait for one answer; a little longer than it may take there, which then says why itself."""
    try:
        answers.found[name] = await asyncio.wait_for(asked(), seconds + PING_SECONDS)
    except TimeoutError:
        answers.failed[name] = f"no answer within {seconds:.0f} s"
    except Exception as error:
        answers.failed[name] = f"{type(error).__name__}: {error}"


def _sent(function: Callable[..., Any], seconds: float) -> Callable[..., Awaitable[Any]]:
    """Return a coroutine function that Dask sends by value, as all of ours that it needs."""
    packed, waits = _packed(function), iscoroutinefunction(function)

    async def call(*arguments: Any, dask_worker: Any) -> Any:  # Dask knows this name
        asked = pickle.loads(packed)
        if waits:
            return await asyncio.wait_for(asked(dask_worker, *arguments), seconds)
        return await asyncio.wait_for(asyncio.to_thread(asked, dask_worker, *arguments), seconds)

    return call


def _packed(function: Callable[..., Any]) -> bytes:
    cloudpickle.register_pickle_by_value(cluster)
    try:
        packed: bytes = cloudpickle.dumps(function)
        return packed
    finally:
        cloudpickle.unregister_pickle_by_value(cluster)
