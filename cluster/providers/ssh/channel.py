"""The program on a host, as this side sees it: what it is told, and what it says."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.providers.ssh.command import NOT_FOUND, command
from cluster.providers.ssh.program import MARK
from cluster.spec.ssh import Host

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection, SSHClientProcess, SSHReader

BEAT_SECONDS = 10.0
END_SECONDS = 25.0
"""Longer than the program takes to end, `program.LAST_SECONDS`."""

TOLD = 5
"""Lines of the log that an error repeats."""


class Channel:
    """The program on a host.

    Args:
        host: The host.
        python: The interpreter there.
        process: The SSH process.
    """

    def __init__(self, host: Host, python: str, process: SSHClientProcess[str]) -> None:
        """Begin to read its log."""
        self._host, self._python, self._process = host, python, process
        self._log: deque[str] = deque(maxlen=TOLD)
        self._reading = asyncio.create_task(self._read())
        self._tasks = [self._reading]

    @classmethod
    async def opened(
        cls, connection: SSHClientConnection, host: Host, python: str, workdir: str | None
    ) -> Channel:
        """Start the program.

        Args:
            connection: To the host.
            host: The host.
            python: The interpreter there.
            workdir: Folder for what workers keep on disk; None = a temporary one.

        Raises:
            ClusterError: The host does not take the command.
        """
        import asyncssh

        line = command(python, workdir)
        try:
            process = await connection.create_process(line, encoding="utf-8", errors="replace")
        except (asyncssh.Error, OSError) as error:
            raise ClusterError(
                f"host {host.text}: it does not run commands: {error}",
                "look at the configuration of its SSH server and of this user there",
            ) from error
        return cls(host, python, process)

    def tell(self, what: object) -> None:
        """Send a line of JSON; one that does not arrive shows in the next answer."""
        with suppress(OSError):
            self._process.stdin.write(json.dumps(what) + "\n")

    async def answer(self, seconds: float) -> dict[str, Any]:
        """Return the next thing that the program says.

        Args:
            seconds: How long it may take.

        Raises:
            ClusterError: It says nothing, or has ended.
        """
        try:
            async with asyncio.timeout(seconds):
                async for line in _lines(self._process.stdout):
                    if line.startswith(MARK):  # others are of the login shell
                        said: dict[str, Any] = json.loads(line.removeprefix(MARK))
                        return said
                await self.ended()
        except TimeoutError:
            raise self.died(f"no answer within {seconds:.0f} s") from None
        if self._process.exit_status in NOT_FOUND:
            raise ClusterError(
                f"host {self._host.text}: no Python at {self._python}",
                "name the one that has millrace installed: `python` in [cluster]",
            )
        raise self.died("its workers died at their start")

    def beat(self) -> None:
        """Tell the program from now on that this side lives, and read what it says no further."""
        self._tasks += [asyncio.create_task(self._beat()), asyncio.create_task(self._drain())]

    async def ended(self) -> None:
        """Return when the program has ended or the connection is gone."""
        await self._process.wait_closed()
        await asyncio.wait([self._reading], timeout=1)

    async def close(self) -> None:
        """Ask the program to end, and wait until it has."""
        with suppress(OSError):
            self._process.stdin.write_eof()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait_closed(), END_SECONDS)
        for each in self._tasks:
            each.cancel()

    def died(self, reason: str) -> ClusterError:
        """Return an error that says why, with the last lines of the program's log."""
        last = f" (last said: {'; '.join(self._log)})" if self._log else ""
        return ClusterError(
            f"host {self._host.text}: {reason}{last}",
            "look at the host: its memory, its disk, its way back to this machine",
        )

    async def _beat(self) -> None:
        with suppress(OSError):
            while True:
                self._process.stdin.write("\n")
                await asyncio.sleep(BEAT_SECONDS)

    async def _drain(self) -> None:
        async for _ in _lines(self._process.stdout):  # unread, it would hold the program up
            pass

    async def _read(self) -> None:
        async for line in _lines(self._process.stderr):
            if line.strip():
                self._log.append(line.rstrip())


async def _lines(reader: SSHReader[str]) -> AsyncIterator[str]:
    """Yield lines until there are no more, also because the connection is gone."""
    import asyncssh

    with suppress(asyncssh.Error, OSError):
        async for line in reader:
            yield line
