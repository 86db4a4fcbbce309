"""A cluster that scales gives workers back; a training that waits for one takes another."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from boosting_rows import Drawn, asked
from conftest import wait_until
from distributed import Client, Lock

from cluster.resources import Resources, pin
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, Timeouts, fit

PARTS = 6

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("nothing_left")]


def waiters(name: str, dask_scheduler: Any = None) -> int:
    found: int = dask_scheduler.extensions["semaphores"].metrics["pending"][name]
    return found


def train(client: Client) -> Fitted:
    source = Drawn()
    timeouts = Timeouts(beat=0.2, silence=30, frozen=20, answer=60, leave=4)
    return fit(
        client, Resources(2, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
        *asked(params={"num_leaves": 7}, seed=1, rounds=5, timeouts=timeouts, restarts=0),
        progress=lambda event: None,
    )  # fmt: skip


def test_a_worker_that_is_given_back_while_it_is_waited_for() -> None:
    with connect(LocalCluster(workers=3, memory="1 GiB")) as session:
        client = session.client
        first = sorted(client.scheduler_info(n_workers=-1)["workers"])[0]
        giving_back = Lock(pin(first), client.scheduler, client.loop)
        assert giving_back.acquire(timeout="5 s")
        found: list[Fitted] = []
        thread = threading.Thread(target=lambda: found.append(train(client)))
        thread.start()
        assert wait_until(lambda: client.run_on_scheduler(waiters, pin(first)) > 0, 60)
        client.retire_workers([first], close_workers=True)
        giving_back.release()
        thread.join(120)
        [fitted] = found
        assert (fitted.rounds, fitted.restarts) == (5, 0)
        assert len(fitted.peak_memory) == 2
