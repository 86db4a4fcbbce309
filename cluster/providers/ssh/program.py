"""The program on a host: starts workers, and ends them with the session.

It is sent over the SSH connection as text and run there by ``python -c``, so it imports nothing of
millrace; Dask's Nanny does the work. Standard input carries the order (one line of JSON) and then
a beat. When the input ends, or is silent for too long, the session is gone: its process died, the
connection broke, or the network was cut. Standard output carries answers, marked lines of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

MARK = "millrace "
"""Begins a line that is meant for the session: the login shell of a host may print others."""

FOLDER = "MILLRACE_FOLDER"
"""Variable that names the folder for what workers keep on disk."""

CLOSE_SECONDS = 5
LAST_SECONDS = 20
"""Then the system ends this process, and Dask's worker processes end with it."""


def tell(**said: object) -> None:
    """Send an answer to the session."""
    print(MARK + json.dumps(said), flush=True)


def offer() -> dict[str, object]:
    """Return what this host has that workers need."""
    try:
        found: str | None = version("distributed")
    except PackageNotFoundError:
        found = None
    page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    millrace = find_spec("cluster") is not None and find_spec("cluster.quiet") is not None
    return {"distributed": found, "millrace": millrace, "memory": page * pages}


async def _gone(seconds: float) -> str:
    """Return when the session is gone, with the reason."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        try:
            if not await asyncio.wait_for(reader.read(4096), seconds):
                return "the session has ended"
        except TimeoutError:
            return f"nothing was heard of the session for {seconds:.0f} s"


async def _signalled() -> str:
    """Return when the system or the session asks this process to end."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
    return "ended by a signal"


async def _kept(order: dict[str, Any]) -> str:
    """Keep one worker; Dask ends a nanny for good when its worker has lost the scheduler."""
    from distributed import Nanny, Security
    from distributed.comm.addressing import get_address_host
    from distributed.utils import get_ip

    security = Security(require_encryption=True, **order["security"])
    options = {
        "security": security,
        "local_directory": os.environ[FOLDER],
        # Only where the way to the scheduler begins; Dask's worker would listen at all addresses.
        "host": get_ip(get_address_host(order["scheduler"])),
        **order["nanny"],
    }
    while True:
        async with Nanny(order["scheduler"], **options) as nanny:
            tell(worker=nanny.worker_address)
            await nanny.finished()
        await asyncio.sleep(1)


async def _served(order: dict[str, Any]) -> str:
    """Run the workers until the session is gone; return the reason.

    Args:
        order: ``scheduler`` (its address), ``workers`` (their number), ``nanny`` (its options),
            ``security`` (Dask's, with the files' content), ``silence`` (seconds without a beat).
    """
    kept = [_kept(order) for _ in range(order["workers"])]
    tasks = [asyncio.create_task(each) for each in (_gone(order["silence"]), _signalled(), *kept)]
    done, going = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    signal.alarm(LAST_SECONDS)
    for each in going:
        each.cancel()
    if going:
        await asyncio.wait(going, timeout=CLOSE_SECONDS)
    return done.pop().result()


def main() -> None:
    """Answer with what is here, take the order, run the workers."""
    tell(**offer())
    line = sys.stdin.readline()
    if not line.strip():
        return
    signal.alarm(0)
    order = json.loads(line)
    os.environ.update(order["environment"])
    import dask

    dask.config.set(order["settings"])
    print(asyncio.run(_served(order)), file=sys.stderr)


if __name__ == "__main__":
    main()
