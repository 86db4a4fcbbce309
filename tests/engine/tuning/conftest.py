"""What the tests of tuning share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # workers and trials take over the path, and import trial_rows

from trial_processes import trial_processes  # noqa: E402


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Hold that no trial outlives those who started it."""
    yield
    left = trial_processes()
    for process in left:
        os.kill(process.pid, signal.SIGKILL)
    assert not left
