"""Training goes on from the last checkpoint after a fault, and says so."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from boosting_rows import Drawn, asked
from conftest import rank_processes, wait_until
from distributed import Client
from faulty_rows import Late, Once

from cluster.resources import Resources
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, RoundEvent, Timeouts, fit
from engine.boosting.checkpoint import read
from engine.errors import Cancelled, RankLost, TrainingFailed
from engine.place.kept import Kept

FAST = Timeouts(beat=0.2, silence=6, frozen=4, answer=30, leave=4)
PARTS = 6

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("nothing_left")]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
        yield session.client


class Heard:
    """Keeps the events of a training, and does something once after a round."""

    def __init__(self, after: int = 0, then: Callable[[], None] = lambda: None) -> None:
        self.events: list[RoundEvent] = []
        self._after, self._then = after, then
        self.done = after == 0

    def __call__(self, event: RoundEvent) -> None:
        self.events.append(event)
        if not self.done and event.kind == "round" and event.round > self._after:
            self.done = True
            self._then()

    def of(self, kind: str) -> list[RoundEvent]:
        return [event for event in self.events if event.kind == kind]


def train(client: Client, source: Drawn, heard: Heard, **changes: Any) -> Fitted:
    cancel = changes.pop("cancel", lambda: False)
    call: dict[str, Any] = {"rounds": 40, "timeouts": FAST, "restarts": 2, "checkpoint_every": 5}
    return fit(
        client, Resources(2, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
        *asked(params={"num_leaves": 7}, seed=1, **(call | changes)),
        progress=heard, cancel=cancel,
    )  # fmt: skip


def kill_a_rank() -> None:
    os.kill(rank_processes()[0].pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("fault", "at"),
    [("abort", 4), ("kill worker", 1), pytest.param("stop worker", 1, marks=pytest.mark.long)],
)
def test_a_fault_while_loading(client: Client, fault: str, at: int, tmp_path: Path) -> None:
    heard = Heard()
    try:
        found = train(client, Once(fault=fault, at=at, folder=tmp_path), heard)
    finally:
        if fault == "stop worker":
            os.kill(int((tmp_path / "pid").read_text().split()[1]), signal.SIGCONT)
    assert (found.rounds, found.restarts) == (40, 1)
    assert [event.round for event in heard.of("restart")] == [0]
    assert "tcp://127.0.0.1" in heard.of("restart")[0].reason
    client.wait_for_workers(2, timeout=120)


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.long), 1])
def test_a_rank_that_never_joins(client: Client, rank: int, tmp_path: Path) -> None:
    heard = Heard()
    soon = replace(FAST, answer=12)
    found = train(client, Late(folder=tmp_path, at=rank), heard, timeouts=soon)
    assert (found.rounds, found.restarts) == (40, 1)


def test_a_rank_killed_while_boosting_costs_less_than_an_interval(
    client: Client, tmp_path: Path
) -> None:
    file, heard = tmp_path / "checkpoint", Heard(22, kill_a_rank)
    pids = set(client.run(os.getpid).values())
    found = train(client, Drawn(), heard, rounds=60, checkpoint=Kept.of(file))
    restarted = heard.of("restart")[0]
    place = heard.events.index(restarted)
    told = [event.round for event in heard.events[:place] if event.kind == "round"]
    assert 0 <= told[-1] - restarted.round <= 5
    after = [event.round for event in heard.events[place:] if event.kind == "round"]
    assert after[0] > restarted.round
    assert (found.rounds, found.restarts, len(found.history)) == (60, 1, 60)
    assert found.model.count("\nTree=") == 60
    assert not file.exists(), "there is a model now"
    assert set(client.run(os.getpid).values()) == pids, "the Dask workers must live on"


def test_after_the_last_restart_the_checkpoint_is_kept_and_used(
    client: Client, tmp_path: Path
) -> None:
    file, heard = tmp_path / "checkpoint", Heard(12, kill_a_rank)
    with pytest.raises(RankLost, match="SIGKILL") as caught:
        train(client, Drawn(), heard, rounds=60, checkpoint=Kept.of(file), restarts=0)
    kept = read(file)
    assert kept.round >= 10
    assert f"round {kept.round} is kept ({file})" in str(caught.value.hint)
    again = Heard()
    found = train(client, Drawn(), again, rounds=60, checkpoint=Kept.of(file))
    assert again.events[0].kind == "checkpoint"
    assert f"from round {kept.round}" in again.events[0].reason
    assert again.of("round")[0].round > kept.round
    assert (found.rounds, len(found.history), found.restarts) == (60, 60, 0)
    assert not file.exists()


def test_how_often_it_was_restarted_is_said(client: Client) -> None:
    heard = Heard()
    with pytest.raises(RankLost, match=r"SIGABRT.*restarted 1 times"):
        train(client, Drawn(fault="abort", at=4), heard, restarts=1)
    assert len(heard.of("restart")) == 1


def test_what_would_happen_again_is_not_tried_again(client: Client) -> None:
    heard = Heard()
    with pytest.raises(RankLost, match="their bound is 400 MiB") as caught:
        train(client, Drawn(fault="memory", at=4), heard, memory=400 * 2**20)
    assert "it would be the same again" in str(caught.value.hint)
    with pytest.raises(TrainingFailed, match="colour"):
        train(client, Drawn(fault="bug", at=4), heard)
    assert not heard.of("restart")


def test_a_wish_to_end_keeps_the_round_and_training_goes_on_from_it(
    client: Client, tmp_path: Path
) -> None:
    file, heard = tmp_path / "checkpoint", Heard(3)
    kept_in = Kept.of(file)
    with pytest.raises(Cancelled, match="after round") as caught:
        train(client, Drawn(), heard, rounds=10_000, checkpoint=kept_in, cancel=lambda: heard.done)
    kept = read(file)
    assert f"after round {kept.round}" in caught.value.what
    assert f"round {kept.round} is kept" in str(caught.value.hint)
    assert len(kept.state["history"]) == kept.round
    with pytest.raises(Cancelled, match="after round"):
        again = Heard(kept.round)
        train(client, Drawn(), again, rounds=10_000, checkpoint=kept_in, cancel=lambda: again.done)
    assert read(file).round > kept.round


def test_time_ends_training_after_a_round(client: Client) -> None:
    found = train(client, Drawn(), Heard(), rounds=100_000, max_seconds=4.0)
    assert found.stopped == "time"
    assert 1 <= found.rounds < 100_000


def test_two_trainings_wait_for_each_other(client: Client) -> None:
    found: list[Fitted] = []

    def one() -> None:
        found.append(train(client, Drawn(seconds=0.3), Heard(), restarts=0))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert wait_until(lambda: len(rank_processes()) > 0, 120)
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, len(rank_processes()))
        time.sleep(0.1)
    assert len(found) == 2
    assert most == 2, "ranks of both trainings ran at the same time"


def test_training_within_a_range_of_ports_and_a_network(client: Client) -> None:
    seen: set[int] = set()

    def look(event: RoundEvent) -> None:
        if event.kind == "loading":
            for process in rank_processes():
                with suppress(psutil.NoSuchProcess):  # a short-lived child of a rank
                    found = process.net_connections()
                    seen.update(one.laddr.port for one in found if one.status == "LISTEN")

    source = Drawn(seconds=0.2)
    fit(
        client, Resources(2, 1, 2**30), source, source.parts(PARTS), source.sample(PARTS),
        *asked(rounds=2, timeouts=FAST, ports=(23_400, 23_419), network="127.0.0.0/8"),
        progress=look,
    )  # fmt: skip
    assert seen
    assert all(23_400 <= port < 23_420 for port in seen)
