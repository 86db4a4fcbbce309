"""Ranks and workers that are killed, frozen or too big, while they train: one attempt only.

What a restart makes of it is in `test_boosting_restarts`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from boosting_rows import Drawn, asked
from conftest import rank_processes, wait_until
from distributed import Client

from cluster.resources import Resources
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, Timeouts, fit
from engine.errors import RankLost

FAST = Timeouts(beat=0.2, silence=6, frozen=3, answer=20, leave=4)
PARTS = 6

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


def train(client: Client, source: Drawn, **changes: Any) -> Fitted:
    call: dict[str, Any] = {"rounds": 20, "timeouts": FAST, "restarts": 0} | changes
    workers = call.pop("workers", 2)
    given = {name: call.pop(name) for name in ("progress", "cancel") if name in call}
    given.setdefault("progress", lambda event: None)
    return fit(
        client, Resources(workers, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
        *asked(params={"num_leaves": 7}, seed=1, **call), **given,
    )  # fmt: skip


RANKS = [pytest.param(1, id="rank 0"), pytest.param(4, id="rank 1", marks=pytest.mark.long)]
"""A partition of each rank: it is there that the fault strikes."""


def worker_pids(client: Client) -> set[int]:
    return set(client.run(os.getpid).values())


@pytest.mark.parametrize(
    ("fault", "at", "said"),
    [
        pytest.param("kill", 1, "SIGKILL", marks=pytest.mark.long),
        ("kill", 4, "SIGKILL"),
        ("abort", 4, "SIGABRT"),
        ("stop", 1, "frozen: no sign of life for 3 s"),
        pytest.param("stop", 4, "frozen: no sign of life for 3 s", marks=pytest.mark.long),
    ],
)
def test_a_rank_that_dies_or_freezes(client: Client, fault: str, at: int, said: str) -> None:
    pids = worker_pids(client)
    with pytest.raises(RankLost, match=said) as caught:
        train(client, Drawn(fault=fault, at=at))
    assert f"rank {at // 3} on tcp://127.0.0.1:" in caught.value.what
    assert worker_pids(client) == pids, "the Dask workers must live on"


def test_a_rank_that_is_killed_while_it_boosts(client: Client) -> None:
    killed: list[float] = []

    def kill_one(event: Any) -> None:
        if event.kind == "round" and event.round > 5 and not killed:  # more rounds are heard later
            killed.append(time.monotonic())
            os.kill(rank_processes()[1].pid, signal.SIGKILL)

    source, pids = Drawn(), worker_pids(client)
    with pytest.raises(RankLost, match="SIGKILL"):
        fit(
            client, Resources(2, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
            *asked(rounds=100_000, timeouts=FAST, restarts=0), progress=kill_one,
        )  # fmt: skip
    assert time.monotonic() - killed[0] < 30
    assert worker_pids(client) == pids
    assert train(client, Drawn(), rounds=2).rounds == 2, "the cluster can train again"


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_rank_over_its_memory_bound(client: Client, workers: int) -> None:
    bound = 400 * 2**20  # worker and rank take about 250 MiB, the fault 400 MiB more
    with pytest.raises(RankLost, match=r"held \d{3} MiB, their bound is 400 MiB"):
        train(client, Drawn(fault="memory", at=4), memory=bound, workers=workers)


@pytest.mark.parametrize("at", RANKS)
def test_a_killed_dask_worker(client: Client, at: int) -> None:
    with pytest.raises(RankLost, match=f"rank {at // 3} on"):
        train(client, Drawn(fault="kill worker", at=at))
    client.wait_for_workers(2, timeout=120)


@pytest.mark.parametrize("at", RANKS)
def test_a_frozen_dask_worker(client: Client, at: int, tmp_path: Path) -> None:
    """Its child goes on, but nobody hears it and nobody guards its memory."""
    source = Drawn(fault="stop worker", at=at, folder=tmp_path)
    try:
        with pytest.raises(RankLost, match=r"gave no (sign of life|answer)"):
            train(client, source, rounds=100_000)
    finally:
        os.kill(int((tmp_path / "pid").read_text().split()[1]), signal.SIGCONT)
    assert wait_until(lambda: not rank_processes(), 60)


def test_a_worker_that_is_frozen_from_the_start(client: Client) -> None:
    pid = max(worker_pids(client))
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(RankLost, match="did not answer"):
            train(client, Drawn(), timeouts=Timeouts(answer=3, leave=2))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert train(client, Drawn(), rounds=2).rounds == 2


DRIVER = """
import sys
sys.path[:0] = {path!r}
from boosting_rows import Drawn, asked
from distributed import Client
from cluster.resources import Resources
from engine.boosting import fit
source = Drawn()
with Client({address!r}) as client:
    fit(client, Resources(2, 1, 2**30), source, source.parts(6), source.sample(6),
        *asked(rounds=1_000_000), progress=lambda event: None)
"""


def test_the_death_of_the_driver_ends_its_ranks(client: Client) -> None:
    address = client.scheduler.address
    script = DRIVER.format(path=[p for p in sys.path if p], address=address)
    driver = subprocess.Popen([sys.executable, "-c", script], cwd=Path.cwd())
    try:
        assert wait_until(lambda: len(rank_processes()) == 2, 120)
        time.sleep(1)  # they load, or train
    finally:
        driver.kill()
        driver.wait()
    assert wait_until(lambda: not rank_processes(), 60)


def test_the_death_of_a_whole_cluster_ends_its_ranks(tmp_path: Path) -> None:
    """A driver with a cluster of its own is killed: nothing survives it."""
    script = f"""
import sys
sys.path[:0] = {[p for p in sys.path if p]!r}
from cluster.session import connect
from cluster.spec import LocalCluster
from boosting_rows import Drawn, asked
from engine.boosting import fit
if __name__ == "__main__":
    source = Drawn()
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        fit(session.client, session.resources, source, source.parts(6), source.sample(6),
            *asked(rounds=1_000_000), progress=lambda event: None)
"""
    file = tmp_path / "driver.py"
    file.write_text(script)
    driver = subprocess.Popen([sys.executable, str(file)], cwd=Path.cwd())
    try:
        assert wait_until(lambda: len(_ranks_below(driver.pid)) == 2, 120)
        time.sleep(1)  # they load, or train
        ranks = _ranks_below(driver.pid)
    finally:
        driver.kill()
        driver.wait()
    gone, alive = psutil.wait_procs(ranks, timeout=60)
    for process in alive:
        process.kill()
    assert (len(gone), alive) == (2, [])


def _ranks_below(pid: int) -> list[psutil.Process]:
    below = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            below += [process] if "engine.boosting.rank.process" in process.cmdline() else []
        except psutil.Error:
            continue
    return below
