"""Millrace brought to workers that lack it, and to those that join later.

A Dask worker plugin carries the wheel. The scheduler hands it to every worker that registers, also
to one that its nanny starts anew. It is unpacked into the worker's own folder, which goes with the
worker, and stands on the import path of the process and, through PYTHONPATH, of the processes that
it starts. The scheduler reads every task graph and so needs the code too.

It stays when the session ends: other sessions, and a driver that outlives its client, use it. Code
that a process has imported cannot be exchanged, so other code asks for other processes.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import importlib.util
import io
import os
import shutil
import sys
import tempfile
import zipfile
from typing import Any

import cloudpickle
from distributed import Client, WorkerPlugin

import cluster
from cluster.errors import ClusterError
from cluster.preflight.asking import Asking
from cluster.preflight.code import SHIPPED, asked, lacking
from cluster.preflight.wheel import Wheel, wheel


class Carrier(WorkerPlugin):
    """Gives a worker the code of a session, unless it has millrace.

    Args:
        carried: The wheel.
    """

    idempotent = True

    def __init__(self, carried: Wheel) -> None:
        """Keep the bytes; the name says which code it is."""
        self.name = f"{SHIPPED}{carried.digest}"
        self._data = carried.data

    async def setup(self, worker: Any) -> None:
        """Unpack the wheel, and import from there.

        Args:
            worker: The Dask worker.
        """
        await unpacked(worker, self._data)


async def unpacked(server: Any, data: bytes) -> None:
    """Unpack a wheel into the folder of a Dask worker or scheduler, and import from there.

    Args:
        server: The Dask worker or scheduler.
        data: Bytes of the wheel.
    """
    importlib.invalidate_caches()
    found = importlib.util.find_spec("engine")
    if found is not None and found.origin is not None:
        return
    folder = tempfile.mkdtemp(prefix=SHIPPED, dir=server.local_directory)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    await asyncio.to_thread(zipfile.ZipFile(io.BytesIO(data)).extractall, folder)
    sys.path.insert(0, folder)
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, path]))
    importlib.invalidate_caches()


async def shipped(client: Client, asking: Asking) -> Wheel:
    """Bring the code of this process to the scheduler and all workers that have none.

    Args:
        client: An open client.
        asking: The workers.

    Returns:
        What was brought.

    Raises:
        ClusterError: Somebody still has none afterwards.
    """
    carried = await asyncio.to_thread(wheel)
    await asking.of_scheduler(unpacked, carried.data)
    cloudpickle.register_pickle_by_value(cluster.preflight.shipping)
    try:
        await client.register_plugin(Carrier(carried))
    except Exception as error:
        raise _failed(str(error)) from error
    finally:
        cloudpickle.unregister_pickle_by_value(cluster.preflight.shipping)
    if still := lacking(await asked(asking)):
        raise _failed(f"{still[0]} still has none")
    return carried


def _failed(why: str) -> ClusterError:
    return ClusterError(
        f"millrace could not be brought to the workers: {why}",
        "install the wheel that `millrace doctor --wheel FOLDER` writes, on the scheduler and on "
        "all workers",
    )
