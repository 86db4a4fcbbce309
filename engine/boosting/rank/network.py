"""LightGBM's own network, for as long as a rank boosts."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.boosting.native import lightgbm
from engine.boosting.rank.listening import listen_at
from engine.boosting.work import Place

MINUTES = 2
"""Until LightGBM gives up on a silent peer by itself; its default is 120 (RELIABILITY 0.11)."""


def parameters(places: Sequence[Place]) -> dict[str, Any]:
    """Return what a booster is told of the network; nothing with one rank."""
    if len(places) == 1:
        return {}
    return {"num_machines": len(places), "tree_learner": "data"}


@contextmanager
def connected(places: Sequence[Place], rank: int) -> Iterator[None]:
    """Connect all ranks; with one there is no network at all.

    One connection for the whole training: boosters come and go in it.

    Raises:
        lightgbm.basic.LightGBMError: A peer cannot be reached.
    """
    if len(places) == 1:
        yield
        return
    lib, call = lightgbm().basic._LIB, lightgbm().basic._safe_call
    listen_at(lib, places[rank].host)
    machines = ",".join(f"{place.host}:{place.port}" for place in places)
    call(
        lib.LGBM_NetworkInit(
            machines.encode(),
            ctypes.c_int(places[rank].port),
            ctypes.c_int(MINUTES),
            ctypes.c_int(len(places)),
        )
    )
    try:
        yield
    finally:
        lib.LGBM_NetworkFree()
