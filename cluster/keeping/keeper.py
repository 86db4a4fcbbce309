"""The process that holds a cluster open: ``python -m cluster.keeping.keeper FOLDER``.

It has a session of its own, so that a terminal that closes does not end it. SIGTERM ends it, and
the cluster with it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType

from distributed import Client
from pydantic import TypeAdapter

from cluster.errors import ClusterError
from cluster.keeping.kept import CLUSTER, FAILURE, SPEC, read, write
from cluster.security import certificates
from cluster.security.copies import copy
from cluster.security.files import AUTHORITY_KEY
from cluster.session import connect
from cluster.spec import ClusterSpec, LocalCluster

LOOK_SECONDS = 5.0
"""How often the keeper looks whether the scheduler is still there."""

WORKERS_SECONDS = 600
"""How long the workers may take to come; a queue that has no room is told by its provider."""


def keep(folder: Path) -> None:
    """Open the cluster that a folder describes, and hold it until SIGTERM.

    Args:
        folder: Of the cluster; says where it is from when its workers are there.

    Raises:
        ClusterError: The cluster cannot be had, or its scheduler is gone.
    """
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        if ended.is_set():
            return  # it is ending
        ended.set()
        # Raised where the main thread is, as long as it opens the cluster: that may take minutes.
        if not (folder / CLUSTER).exists():
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    spec = _spec(folder)
    with connect(spec) as session:
        client = session.client
        client.wait_for_workers(session.resources.workers, timeout=WORKERS_SECONDS)
        trusted = copy(client.security, folder / "client")
        assert client.scheduler is not None  # it is connected
        place = {"address": client.scheduler.address, "certificates": trusted and str(trusted)}
        write(folder / CLUSTER, place)
        while not ended.wait(LOOK_SECONDS):
            _look(client)


def _spec(folder: Path) -> ClusterSpec:
    """Return what to open; on this machine with certificates, which keep its other users out."""
    spec: ClusterSpec = TypeAdapter(ClusterSpec).validate_python(read(folder / SPEC))
    if isinstance(spec, LocalCluster) and spec.tls is None:
        own = folder / "certificates"
        certificates.make(own)
        (own / AUTHORITY_KEY).unlink()  # no more certificates are wanted
        return spec.model_copy(update={"tls": own})
    return spec


def _look(client: Client) -> None:
    if client.status in ("closed", "closing", "failed"):
        raise ClusterError(
            "the scheduler is gone", "`millrace cluster down` and `up` start the cluster anew"
        )


def main(folder: Path) -> int:
    """Keep a cluster; write why it cannot be kept.

    Args:
        folder: Of the cluster.

    Returns:
        The exit code.
    """
    os.umask(0o077)
    try:
        keep(folder)
    except ClusterError as error:
        write(folder / FAILURE, {"what": error.what, "hint": error.hint})
        print(f"error: {error.what}\n  {error.hint}", file=sys.stderr)
        return 1
    except Exception as error:
        traceback.print_exc()
        last = str(error).strip().splitlines() or [""]
        told = f"{type(error).__name__}: {last[0]}"
        write(folder / FAILURE, {"what": f"the keeper failed: {told}", "hint": ""})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
