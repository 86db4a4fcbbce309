"""A driver apart from who starts it: on this machine, in a session of its own.

It survives the terminal, the connection and the command that started it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jobs
from engine.place.local import LocalPlace
from jobs.runs.folder import Run
from jobs.runs.store import Store

LOG = "driver.log"
"""In the run folder: what the driver prints, beside the events."""


def start(store: Store, run: Run, after: int) -> int:
    """Start a driver, and return its process id.

    Args:
        store: Where the run folders are.
        run: The run.
        after: Number of the newest entry of its state log.

    Raises:
        OSError: The process cannot be started.
    """
    log = _log(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command(store, run, after),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env=environment(),
        )
    return process.pid


def command(store: Store, run: Run, after: int) -> list[str]:
    """Return the command of a driver that begins after an entry of the state log."""
    options = (f"--storage={name}={value}" for name, value in store.access.options)
    driver = [sys.executable, "-m", "jobs.driving", store.location, run.id]
    return [*driver, f"--after={after}", *options]


def environment() -> dict[str, str]:
    """Return the variables of a driver: it finds millrace where this process has it."""
    root = str(Path(jobs.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _log(run: Run) -> Path:
    """Return the file for what it prints: an object store cannot be appended to."""
    place = run.place
    here = place.folder if isinstance(place, LocalPlace) else Path(".millrace/files")
    return here / run.id / LOG
