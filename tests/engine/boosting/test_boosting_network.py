"""Two workers on two hosts, made of network namespaces: links are cut, ways are closed.

Needs root and ``ip`` (iproute2); skipped where namespaces cannot be made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import psutil
import pytest
from boosting_rows import Drawn, asked
from conftest import FOLDER
from distributed import Client, LocalCluster

from cluster.resources import Resources
from engine.boosting import Fitted, RoundEvent, Timeouts, fit
from engine.errors import SpecError, TrainingFailed

FAST = Timeouts(beat=0.5, silence=8, frozen=5, answer=30, leave=4)
NETWORK, HERE = "10.213.77.0/24", "10.213.77.1"
HOSTS = {"millrace-a": "10.213.77.11", "millrace-b": "10.213.77.12"}
BRIDGE = "millrace0"
PARTS = 4

pytestmark = [pytest.mark.alone]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def _bridge() -> Iterator[None]:
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        yield
    finally:
        ip("link", "del", BRIDGE)


@contextmanager
def _host(name: str, address: str) -> Iterator[None]:
    ip("netns", "add", name)
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", name, "master", BRIDGE, "up")
        for words in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            ip("-n", name, *words.split())
        yield
    finally:
        ip("link", "del", name)  # the namespace itself lasts as long as a process in it
        ip("netns", "del", name)


@contextmanager
def _worker(name: str, address: str, scheduler: str) -> Iterator[None]:
    path = os.pathsep.join([str(FOLDER), os.getcwd(), *filter(None, sys.path)])
    command = ["ip", "netns", "exec", name, sys.executable, "-m", "distributed.cli.dask_worker"]
    options = ["--host", address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "1GiB"]
    process = subprocess.Popen(
        [*command, scheduler, *options],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
        process.wait()


@pytest.fixture
def client() -> Iterator[Client]:
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    with ExitStack() as stack:
        try:
            stack.enter_context(_bridge())
            for name, address in HOSTS.items():
                stack.enter_context(_host(name, address))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr}")
        cluster = stack.enter_context(LocalCluster(n_workers=0, host=HERE, dashboard_address=None))
        for name, address in HOSTS.items():
            stack.enter_context(_worker(name, address, cluster.scheduler_address))
        found = stack.enter_context(Client(cluster))
        found.wait_for_workers(2, timeout=60)
        yield found


def train(client: Client, tell: Any, **changes: Any) -> Fitted:
    source = Drawn()
    call = {"rounds": 20, "timeouts": FAST, "restarts": 1, "checkpoint_every": 5} | changes
    return fit(
        client, Resources(2, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
        *asked(seed=1, **call), progress=tell,
    )  # fmt: skip


@pytest.mark.long
def test_ways_that_are_closed_and_links_that_are_cut(client: Client) -> None:
    """In one test, because the hosts take long to make."""
    found = train(client, lambda event: None, network=NETWORK, ports=(12400, 12409))
    assert (found.rounds, len(found.peak_memory)) == (20, 2)

    with pytest.raises(SpecError, match=r"no address in 10\.99\.0\.0/16: it has 10\.213\.77\.1"):
        train(client, lambda event: None, network="10.99.0.0/16")

    other = HOSTS["millrace-b"]
    ip("-n", "millrace-a", "route", "add", "blackhole", f"{other}/32")
    said = rf"on tcp://10\.213\.77\.11:\d+ cannot connect to rank \d on tcp://{other}:\d+ at port"
    with pytest.raises(TrainingFailed, match=said):
        train(client, lambda event: None)
    ip("-n", "millrace-a", "route", "del", "blackhole", f"{other}/32")

    events: list[RoundEvent] = []

    def cut(event: RoundEvent) -> None:
        events.append(event)
        if event.kind == "round" and event.round > 10:
            ip("link", "set", "millrace-b", "down")

    found = train(client, cut, rounds=400, timeouts=replace(FAST, answer=15))
    restarts = [event for event in events if event.kind == "restart"]
    assert (found.rounds, found.restarts, len(found.peak_memory)) == (400, 1, 1)
    assert restarts[0].round >= 10
