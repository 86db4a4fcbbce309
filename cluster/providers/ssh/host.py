"""The workers of one host, from the connection to their end."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cluster.errors import ClusterError
from cluster.providers.ssh import program
from cluster.providers.ssh.channel import Channel
from cluster.providers.ssh.checks import check_offer, check_python
from cluster.providers.ssh.connecting import connected
from cluster.spec.ssh import Host, SshCluster

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

ANSWER_SECONDS, START_SECONDS = 60.0, 180.0

AGAIN_SECONDS = (1.0, 5.0, 15.0, 60.0)
"""Pauses before a lost host is tried again; the last one is repeated."""

T = TypeVar("T")

log = logging.getLogger("millrace")


class Workers:
    """The workers of one host.

    Args:
        spec: The cluster.
        host: Where they are.
    """

    def __init__(self, spec: SshCluster, host: Host) -> None:
        """Nothing runs yet."""
        self._spec, self._host = spec, host
        self._python = spec.python or sys.executable
        self._connection: SSHClientConnection | None = None
        self._channel: Channel | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def connect(self) -> str:
        """Connect; return this machine's address on the way to the host.

        Raises:
            ClusterError: There is no connection.
        """
        self._connection = await connected(self._spec, self._host)
        return str(self._connection.get_extra_info("sockname")[0])

    async def start(self, order: dict[str, Any]) -> None:
        """Start the workers, wait for them, and from then on start them anew when they are lost.

        Args:
            order: What the program on the host is told; see there.

        Raises:
            ClusterError: They do not start.
        """
        await self._begin(order)
        self._keeping = asyncio.create_task(self._keep(order))

    async def close(self) -> None:
        """End the workers; return when the host says that they are gone."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        await self._end()

    async def _begin(self, order: dict[str, Any]) -> None:
        assert self._connection is not None
        self._channel = channel = await Channel.opened(
            self._connection, self._host, self._python, self._spec.workdir
        )
        check_python(self._host, tuple((await channel.answer(ANSWER_SECONDS))["python"]))
        channel.tell(inspect.getsource(program))
        check_offer(self._spec, self._host, self._python, await channel.answer(ANSWER_SECONDS))
        channel.tell(order)
        for _ in range(self._spec.each):
            await channel.answer(START_SECONDS)
        channel.beat()

    async def _keep(self, order: dict[str, Any]) -> None:
        while True:
            assert self._channel is not None
            await self._channel.ended()
            log.warning("%s; they are started anew", self._channel.died("its workers were lost"))
            tries = 0
            while not await self._again(order):
                await asyncio.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
                tries += 1
            log.warning("host %s: its workers run again", self._host.text)

    async def _again(self, order: dict[str, Any]) -> bool:
        await self._end()
        try:
            await self.connect()
            await self._begin(order)
        except ClusterError as error:
            log.warning("%s; it will be tried again", error)
            return False
        return True

    async def _end(self) -> None:
        """End what runs; it may be gone already."""
        if self._channel is not None:
            await self._channel.close()
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()
        self._channel = self._connection = None


async def at_once(
    work: Callable[..., Awaitable[T]], hosts: Sequence[Workers], *arguments: object
) -> list[T]:
    """Do the same with all hosts at once; wait for all, whatever becomes of one.

    Args:
        work: A method of `Workers`.
        hosts: The hosts.
        arguments: More arguments of the method.

    Raises:
        ClusterError: Some hosts failed; each is named.
    """
    done = await asyncio.gather(*(work(host, *arguments) for host in hosts), return_exceptions=True)
    failed = [error for error in done if isinstance(error, BaseException)]
    known = [error for error in failed if isinstance(error, ClusterError)]
    if len(known) < len(failed):
        raise next(error for error in failed if not isinstance(error, ClusterError))
    if known:
        hints = dict.fromkeys(error.hint for error in known)
        raise ClusterError("\n  ".join(error.what for error in known), "\n  ".join(hints))
    return [result for result in done if not isinstance(result, BaseException)]
