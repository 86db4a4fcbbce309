"""Two of LightGBM's ranks in one process: its network belongs to a thread.

(``THREAD_LOCAL`` in include/LightGBM/network.h.)
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from engine.boosting.native import lightgbm

HOST = "127.0.0.1"
MINUTES = 2


class Twin:
    """A thread beside this one, connected to it by LightGBM's network."""

    def __init__(self) -> None:
        """Connect both threads, over two ports of this machine that are free now."""
        self._thread = ThreadPoolExecutor(1, "twin")
        ports = _free(2)
        self.both(lambda: _connect(ports, 0), lambda: _connect(ports, 1))

    @property
    def network(self) -> dict[str, Any]:
        """What boosters are told of the network."""
        return {"num_machines": 2, "tree_learner": "data"}

    def both(self, here: Callable[[], Any], there: Callable[[], Any]) -> tuple[Any, Any]:
        """Call two functions side by side, the second one in the other thread."""
        other = self._thread.submit(there)
        return here(), other.result()

    def close(self) -> None:
        """Disconnect."""
        free = lightgbm().basic._LIB.LGBM_NetworkFree
        self.both(free, free)
        self._thread.shutdown()


def _connect(ports: list[int], rank: int) -> None:
    basic = lightgbm().basic
    machines = ",".join(f"{HOST}:{port}" for port in ports)
    wait, count = ctypes.c_int(MINUTES), ctypes.c_int(len(ports))
    port = ctypes.c_int(ports[rank])
    basic._safe_call(basic._LIB.LGBM_NetworkInit(machines.encode(), port, wait, count))


def _free(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
