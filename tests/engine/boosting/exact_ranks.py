"""Ranks as threads of this process: LightGBM's network belongs to a thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from engine.boosting.exact.booster import ExactBooster
from engine.boosting.exact.ranking import Queries
from engine.boosting.exact.slopes import Share
from engine.boosting.exact.start import Sums
from engine.boosting.exact.twin import Twin, _free
from engine.boosting.native import lightgbm
from engine.boosting.params.shared import without_network

Rows = Mapping[str, np.ndarray]


def trained(rows: Rows, params: Mapping[str, Any], cuts: Sequence[int], rounds: int) -> str:
    """Return the model of ranks that begin at these rows; one rank has a twin."""
    edges = [0, *cuts, len(rows["y"])]
    spans = list(pairwise(edges))
    if len(spans) == 1:
        half = int(edges[1] * 0.3) // 10 * 10
        # Before there is a network, which making bins would go through.
        shares = [share(rows, params, span) for span in ((0, half), (half, edges[1]))]
        twin = Twin()
        try:
            return grown(shares, params, rounds, twin)
        finally:
            twin.close()
    return network([share(rows, params, span) for span in spans], params, rounds)


def share(rows: Rows, params: Mapping[str, Any], span: tuple[int, int]) -> Share:
    own = slice(*span)
    reference = lightgbm().Dataset(rows["x"][::3].copy(), params=dict(params)).construct()
    data = lightgbm().Dataset(rows["x"][own].copy(), reference=reference, params=dict(params))
    weight = rows["weight"][own] if "weight" in rows else None
    queries = None
    if "query" in rows:
        edges = np.flatnonzero(np.diff(rows["query"][own])) + 1
        starts = np.array([0, *edges, span[1] - span[0]])
        queries = Queries(rows["y"][own], starts, params)
    return Share(data.construct(), rows["y"][own], weight, queries)


def begin(shares: Sequence[Share], params: Mapping[str, Any], agree: Any) -> tuple[float, ...]:
    classes = int(params.get("num_class", 0))
    sums = [Sums.of(one.y, one.weight, classes) for one in shares]
    start: tuple[float, ...] = agree(sum(sums[1:], sums[0])).scores(params["objective"])
    for one in shares:
        scores = np.tile(start, (len(one.y), 1))
        one.data.set_init_score(scores if len(start) > 1 else scores[:, 0])
    return start


def grown(
    shares: Sequence[Share],
    params: Mapping[str, Any],
    rounds: int,
    twin: Twin | None,
    network: Mapping[str, Any] | None = None,
    agree: Callable[[Any], Any] = lambda found: found,
) -> str:
    start = begin(shares, params, agree)
    told = network or (twin.network if twin else {})
    booster = ExactBooster(shares, params, told, agree, twin, start)
    for number in range(1, rounds + 1):
        booster.reset_parameter({"learning_rate": 0.2 / number})
        booster.update()
    return without_network(booster.model_to_string())


def network(shares: Sequence[Share], params: Mapping[str, Any], rounds: int) -> str:
    count, ports = len(shares), _free(len(shares))
    machines = ",".join(f"127.0.0.1:{port}" for port in ports).encode()
    basic = lightgbm().basic
    meeting, said = threading.Barrier(count), [None] * count

    def rank(at: int) -> str:
        def agree(found: Any) -> Any:
            meeting.wait()
            said[at] = found
            meeting.wait()
            return sum(said[1:], said[0])  # type: ignore[arg-type]

        numbers = (ctypes.c_int(number) for number in (ports[at], 2, count))
        basic._safe_call(basic._LIB.LGBM_NetworkInit(machines, *numbers))
        try:
            told = {"num_machines": count, "tree_learner": "data"}
            return grown([shares[at]], params, rounds, None, told, agree)
        finally:
            basic._LIB.LGBM_NetworkFree()

    with ThreadPoolExecutor(count) as pool:
        texts = list(pool.map(rank, range(count)))
    assert len(set(texts)) == 1
    return texts[0]
