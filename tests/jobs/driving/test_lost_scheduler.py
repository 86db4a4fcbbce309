"""Schedulers that die under a run: the driver waits for the next one, or ends and is resumed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cluster.elsewhere import variables
from cluster.settings import THREAD_VARIABLES
from engine.predict.kernel import keep
from jobs.runs.state import State
from tests.jobs.driving.driven import Driven, driver, ended, events, stands, story, until

PORT = 18787
ADDRESS = f"tcp://127.0.0.1:{PORT}"
LOCAL = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")

pytestmark = [pytest.mark.alone, pytest.mark.slow]


class Cluster:
    """A scheduler and a worker, started as often as they are killed."""

    def __init__(self, driven: Driven, stack: ExitStack) -> None:
        self._driven, self._stack = driven, stack

    def start(self) -> None:
        self.scheduler = self._started("scheduler", "--port", str(PORT))
        size = ("--nthreads", "2", "--memory-limit", "1500MiB")
        self._started("worker", ADDRESS, *size, "--local-directory", str(self._driven.folder))

    def _started(self, role: str, *words: str) -> subprocess.Popen[bytes]:
        threads = dict.fromkeys(THREAD_VARIABLES, "1")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{role}", *words, *LOCAL],
            env={**self._driven.environment, **variables(), **threads},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def lose(self) -> None:
        self.scheduler.kill()
        self.scheduler.wait()


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    keep()
    found = Driven.write(tmp_path / "job", f'kind = "address"\naddress = "{ADDRESS}"')
    with ended(found):
        yield found


@pytest.fixture
def cluster(driven: Driven) -> Iterator[Cluster]:
    with ExitStack() as stack:
        found = Cluster(driven, stack)
        found.start()
        listening(driven)
        yield found


def listening(driven: Driven) -> None:
    """Wait until the cluster takes jobs."""

    def offers() -> bool:
        process = driven.start("plan", "job.toml")
        process.communicate()
        return process.returncode == 0

    until(offers, "a worker")


@pytest.mark.timeout(900)
def test_a_driver_waits_for_the_next_scheduler_and_does_what_is_missing(
    driven: Driven, cluster: Cluster
) -> None:
    driven.train()
    run = driven.submit("--here")
    until(lambda: len(driven.parts()) >= 3, "parts")
    first, done, computed = driver(run), driven.parts(), driven.computed()

    cluster.lose()
    until(lambda: any("cluster was lost" in e.fields["text"] for e in events(run, "warning")), "it")
    driven.score()
    cluster.start()
    assert stands(run, State.SUCCEEDED, State.FAILED) == State.SUCCEEDED, story(run)
    assert driver(run) == first, "the same driver"
    assert {driven.computed()[part] for part in done} == {computed[part] for part in done} == {1}
    assert len(events(run, "skipped")) == 0 or events(run, "skipped")[0].step == "train"
    driven.assert_each_row_once()
    assert driven.predictions() == driven.undisturbed()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_without_another_scheduler_the_run_ends_with_75_and_is_resumed_later(
    driven: Driven, cluster: Cluster
) -> None:
    driven.train()
    driven.variables["MILLRACE_PACE_PATIENCE"] = "5"
    run = driven.submit("--here")
    until(lambda: len(driven.parts()) >= 3, "parts")
    done = driven.parts()
    began = time.monotonic()
    cluster.lose()
    assert stands(run, State.FAILED, State.SUCCEEDED) == State.FAILED
    assert run.log.last().code == 75, story(run)
    assert "The cluster was lost" in run.log.last().message
    assert "millrace resume" in run.log.last().message
    assert time.monotonic() - began < 120
    until(lambda: driver(run) not in [one.pid for one in driven.processes()], "its end", 30)

    driven.score()
    cluster.start()
    listening(driven)
    driven.millrace("resume", run.id)
    assert {driven.computed()[part] for part in done} == {1}
    driven.assert_each_row_once()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_driver_on_the_cluster_ends_with_its_scheduler_and_the_run_is_resumed(
    driven: Driven, cluster: Cluster
) -> None:
    driven.train()
    run = driven.submit()
    until(lambda: len(driven.parts()) >= 3, "parts")
    hosted, done = driver(run), driven.parts()
    cluster.lose()
    ending = stands(run, State.LOST, State.FAILED, State.CANCELLED)
    assert ending in (State.LOST, State.FAILED), story(run)
    until(lambda: hosted not in [one.pid for one in driven.processes()], "its end", 60)
    driven.score()
    cluster.start()
    listening(driven)
    driven.millrace("resume", run.id, "--detach")
    assert stands(run, State.SUCCEEDED, State.FAILED) == State.SUCCEEDED, story(run)
    assert {driven.computed()[part] for part in done} == {1}
    driven.assert_each_row_once()
