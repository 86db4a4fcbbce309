"""Start the keeper of a cluster and wait for its workers, or end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

import cluster
from cluster.errors import ClusterError
from cluster.keeping.kept import (
    CLUSTER,
    FAILURE,
    KEEPER,
    LOG,
    SPEC,
    Kept,
    clear,
    clear_keys,
    find,
    home,
    keeper,
    read,
    write,
)
from cluster.processes import ProcessName
from cluster.spec import AddressCluster, ClusterSpec

END_SECONDS = 60.0
"""How long a keeper may take to end its cluster; what it runs on other machines takes longest."""


def up(name: str, spec: ClusterSpec) -> Kept:
    """Start a cluster that stays up, and return when its workers are there.

    Args:
        name: Its name.
        spec: What to start.

    Raises:
        ClusterError: There is one of that name, or it does not start.
    """
    if isinstance(spec, AddressCluster):
        raise ClusterError(
            "kind = 'address' names a cluster that runs already",
            "`up` starts clusters: give another kind, such as 'local' or 'ssh'",
        )
    folder = _folder(name)
    write(folder / SPEC, spec.model_dump(mode="json"))
    process = _started(folder)
    try:
        _wait(name, folder, process)
    except ClusterError:
        clear_keys(folder)  # the log stays
        raise
    except BaseException:  # Ctrl-C
        _end(process.pid)
        clear(folder)
        raise
    return find(name)


def down(name: str) -> Kept:
    """End a cluster that stays up, and delete its folder.

    Args:
        name: Its name.

    Returns:
        What it was before.

    Raises:
        ClusterError: There is none, or its keeper is another machine's or another user's.
    """
    kept = find(name)
    folder = home() / name
    held = keeper(folder)
    if held is not None and held.alive() is None:
        raise ClusterError(
            f"the cluster {name!r} is held by a process of {held.host}", f"run this on {held.host}"
        )
    if held is not None and held.alive():
        _end(held.pid)
    clear(folder)
    return kept


def _folder(name: str) -> Path:
    """Make the folder of a new cluster; the remains of a dead one go."""
    home().mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = home() / name
    if (folder / SPEC).exists() and find(name).state == "dead":
        clear(folder)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise ClusterError(
            f"there is a cluster {name!r} already",
            f"use it with address = {name!r}, end it with `millrace cluster down {name}`, or give "
            "another --name",
        ) from None
    return folder


def _started(folder: Path) -> subprocess.Popen[bytes]:
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            # -P: nothing is imported from the folder that the command happens to run in.
            [sys.executable, "-P", "-m", "cluster.keeping.keeper", str(folder)],
            env=_environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    write(folder / KEEPER, asdict(ProcessName.of(process.pid)))
    return process


def _environment() -> dict[str, str]:
    """Return variables with which the keeper finds this package where it is not installed."""
    source = str(Path(cluster.__file__).parents[1])
    if source == sysconfig.get_path("purelib"):
        return dict(os.environ)
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def _wait(name: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
    while not (folder / CLUSTER).exists():
        if process.poll() is not None:
            why = read(folder / FAILURE)
            what = why.get("what") or f"its keeper ended (exit code {process.returncode})"
            raise ClusterError(
                f"the cluster {name!r} did not start: {what}",
                why.get("hint") or f"{folder / LOG} says more",
            )
        time.sleep(0.1)


def _end(pid: int) -> None:
    """End a keeper, and its workers if it does not do so itself."""
    try:
        process = psutil.Process(pid)
        family = process.children(recursive=True)
        process.send_signal(signal.SIGTERM)
        process.wait(END_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise ClusterError(f"process {pid} is another user's", "ask that user") from None
    except psutil.TimeoutExpired:
        for one in [process, *family]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
