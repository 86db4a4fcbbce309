"""The cores of a worker, of which a task that waits for a store lends its own.

A worker whose rows lie in a store, or go there, runs more tasks than it has cores: while one waits
for bytes, another computes. A task computes only while it holds a core, so there are never more
that compute than the plan and the libraries' own threads count with.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from cluster.resources import CORES

T = TypeVar("T")
R = TypeVar("R")

_number = int(os.environ.get(CORES, "0"))
_cores = threading.BoundedSemaphore(_number) if _number else None
_thread = threading.local()


@contextmanager
def held() -> Iterator[None]:
    """Hold a core, and wait for one if there is none."""
    if _cores is None:
        yield
        return
    with _cores:
        _thread.holds = True
        try:
            yield
        finally:
            _thread.holds = False


@contextmanager
def lent() -> Iterator[None]:
    """Let another task have this thread's core, if it holds one; take one again afterwards."""
    if _cores is None or not getattr(_thread, "holds", False):
        yield
        return
    _cores.release()
    try:
        yield
    finally:
        _cores.acquire()


def together(ask: Callable[[T], R], wanted: Sequence[T], most: int) -> list[R]:
    """Ask a store for several things at once, and lend the core meanwhile.

    Args:
        ask: Waits for one of them.
        wanted: What to ask for.
        most: Requests under way at most.

    Returns:
        The answers, in the order of what was wanted.
    """
    if len(wanted) < 2 or most < 2:
        return [ask(one) for one in wanted]
    with lent(), ThreadPoolExecutor(min(most, len(wanted))) as pool:
        return list(pool.map(ask, wanted))
