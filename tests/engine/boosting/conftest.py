"""The cluster that the tests of boosting share, and the place of their row source."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # workers and ranks take over the path, and import boosting_rows


def rank_processes() -> list[psutil.Process]:
    """Return the ranks' processes that run anywhere below this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "engine.boosting.rank.process" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Hold that no rank outlives the call that started it."""
    yield
    left = rank_processes()
    for process in left:
        os.kill(process.pid, signal.SIGKILL)
    assert not left
