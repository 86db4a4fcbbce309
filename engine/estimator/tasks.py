"""One function over many partitions: in this process, or as Dask tasks with small results."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

R = TypeVar("R")


def here(
    function: Callable[..., R], shared: object, calls: Iterable[tuple[Any, ...]], client: Any = None
) -> list[R]:
    """Return ``function(shared, *call)`` for each call, one after the other; no client is asked."""
    return [function(shared, *call) for call in calls]


def on_dask(
    function: Callable[..., R], shared: object, calls: Iterable[tuple[Any, ...]], client: Any = None
) -> list[R]:
    """Return the same as `here`, computed by Dask; calls may hold delayed values.

    Args:
        function: Runs in workers.
        shared: Goes to the cluster once, as a task of its own.
        calls: Its other arguments.
        client: The cluster; Dask's own choice when left out: the current client, else threads.
    """
    from dask.base import compute
    from dask.delayed import delayed

    common = delayed(shared, pure=False, traverse=False)
    task = delayed(function, pure=False)
    return list(compute(*(task(common, *call) for call in calls), scheduler=client))
