from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Client
from typing import Any

import pytest

from engine.boosting.council.hub import Hub
from engine.boosting.council.link import Link
from engine.boosting.events import Timeouts
from engine.errors import ContractRefused, RankLost, TrainingFailed

KEY = b"k" * 32
FAST = Timeouts(beat=0.05, silence=1.2, frozen=1, answer=10, leave=1)


def _address() -> tuple[str, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1", free.getsockname()[1]


def _decide(stage: str, said: Sequence[Any]) -> Any:
    if stage == "refuse":
        raise ContractRefused("no", where="here")
    if stage == "bug":
        return 1 / 0
    return stage, list(said)


class Meeting:
    def __init__(self, ranks: int, timeouts: Timeouts = FAST) -> None:
        self.address = _address()
        self.hub = Hub(self.address, KEY, ranks, _decide, timeouts)
        self.lost: queue.SimpleQueue[tuple[int, int, str]] = queue.SimpleQueue()
        self.timeouts = timeouts

    def link(self, rank: int, key: bytes = KEY) -> Link:
        def gone(lost: int, reason: str) -> None:
            self.lost.put((rank, lost, reason))

        return Link(self.address, key, rank, self.timeouts, gone)

    def say(self, links: Sequence[Link], stage: str) -> list[Any]:
        answers: list[Any] = [None] * len(links)

        def one(rank: int) -> None:
            try:
                answers[rank] = links[rank].say(stage, rank)
            except Exception as error:
                answers[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(links))]
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join(30)
        return answers


def test_all_hear_the_same_in_rank_order() -> None:
    meeting = Meeting(3)
    links = [meeting.link(rank) for rank in (2, 0, 1)]
    links = [links[1], links[2], links[0]]
    for stage in ("a", "b"):
        assert meeting.say(links, stage) == [(stage, [0, 1, 2])] * 3
    time.sleep(1.5 * FAST.silence)  # signs of life keep everybody
    assert meeting.say(links, "c") == [("c", [0, 1, 2])] * 3
    for link in links:
        link.close()
    meeting.hub.join()
    assert not meeting.hub._thread.is_alive()
    assert meeting.lost.empty()


@pytest.mark.parametrize(("stage", "kind"), [("refuse", ContractRefused), ("bug", TrainingFailed)])
def test_a_refusal_reaches_all(stage: str, kind: type[Exception]) -> None:
    meeting = Meeting(2)
    links = [meeting.link(rank) for rank in range(2)]
    assert [type(answer) for answer in meeting.say(links, stage)] == [kind, kind]
    for link in links:
        link.close()


def test_a_closed_connection_is_told_to_all_others() -> None:
    meeting = Meeting(3)
    links = [meeting.link(rank) for rank in range(3)]
    links[1]._leaving.set()
    links[1]._connection.close()
    heard = {meeting.lost.get(timeout=30) for _ in range(2)}
    assert heard == {(0, 1, "its connection closed"), (2, 1, "its connection closed")}
    assert meeting.lost.empty()


def test_a_silent_rank_is_lost() -> None:
    meeting = Meeting(2)
    meeting.link(0)
    mute = Client(meeting.address, authkey=KEY)
    mute.send(1)
    rank, lost, reason = meeting.lost.get(timeout=30)
    assert (rank, lost) == (0, 1)
    assert "silent" in reason


def test_a_rank_that_never_joins_is_lost() -> None:
    meeting = Meeting(2, Timeouts(beat=0.05, silence=5, frozen=5, answer=0.5, leave=1))
    meeting.link(0)
    rank, lost, reason = meeting.lost.get(timeout=30)
    assert (rank, lost) == (0, 1)
    assert "did not join" in reason


def test_a_silent_hub_is_lost() -> None:
    lost: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    from multiprocessing.connection import Listener

    with Listener(_address(), authkey=KEY) as listener:
        threading.Thread(target=listener.accept, daemon=True).start()
        Link(listener.address, KEY, 1, FAST, lambda *said: lost.put(said))  # type: ignore[arg-type]
        rank, reason = lost.get(timeout=30)
    assert rank == 0
    assert "silent" in reason or "closed" in reason


def test_strangers_are_turned_away_and_block_nobody() -> None:
    meeting = Meeting(1, Timeouts(beat=0.05, silence=5, frozen=5, answer=1, leave=1))
    mute = socket.create_connection(meeting.address)
    with pytest.raises(RankLost, match="digest"):
        meeting.link(0, key=b"x" * 32)
    link = meeting.link(0)
    assert link.say("a", 7) == ("a", [7])
    link.close()
    mute.close()


def test_no_hub_is_an_error_that_names_it() -> None:
    address = _address()
    with pytest.raises(RankLost, match="rank 0 cannot be reached"):
        Link(address, KEY, 1, Timeouts(answer=0.3), lambda *_: None)


def test_a_port_that_is_only_kept_is_no_hub() -> None:
    """The process of rank 0 holds its port from the start, and may never come to listen there."""
    with socket.create_server(("127.0.0.1", 0)) as kept:
        address = kept.getsockname()
        with pytest.raises(RankLost, match="rank 0 cannot be reached: it did not join"):
            Link(address, KEY, 1, Timeouts(answer=0.3), lambda *_: None)


def test_a_hub_that_starts_late_is_waited_for() -> None:
    kept = socket.create_server(("127.0.0.1", 0))
    address, hubs = kept.getsockname(), []

    def start() -> None:
        time.sleep(0.5)
        kept.close()
        hubs.append(Hub(address, KEY, 1, _decide, FAST))

    threading.Thread(target=start).start()
    link = Link(address, KEY, 0, FAST, lambda *_: None)
    assert link.say("a", 7) == ("a", [7])
    link.close()
    hubs[0].join()


def test_no_message_waits_for_an_acknowledgement() -> None:
    meeting = Meeting(2)
    links = [meeting.link(rank) for rank in range(2)]
    assert len(meeting.say(links, "sum")) == 2
    ends = [*meeting.hub._connections.values(), *(link._connection for link in links)]
    for end in ends:
        with socket.socket(fileno=os.dup(end.fileno())) as same:
            assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert len(ends) == 4
    for link in links:
        link.close()
