"""A driver tells that it lives, hears that it should end, and gives way to a later one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Outage
from jobs.runs import heart as module
from jobs.runs.folder import DRAIN, NOW, Run
from jobs.runs.heart import Heart
from jobs.runs.state import State
from jobs.runs.stopping import Stop
from jobs.runs.store import Store


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Store.at(tmp_path).create({"name": "x"})
    made.log.advance(made.log.last(), State.STARTING)
    return made


def heart(run: Run, stop: Stop, epoch: int = 1) -> Heart:
    return Heart(run, epoch, stop, run.events)


def soon(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert true()


def test_it_beats_while_the_body_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)

    def beats() -> int:
        return int((run.heartbeat() or {"beats": 0})["beats"])

    with heart(run, Stop()).beating():
        soon(lambda: beats() > 2)
        assert run.silence() < 30
    last = beats()
    time.sleep(0.1)
    assert beats() == last


@pytest.mark.parametrize("how", [DRAIN, NOW])
def test_it_hears_the_wish_to_end(run: Run, how: str) -> None:
    stop = Stop()
    assert run.epoch() == 1 and run.ask_to_end(1, how) and not run.ask_to_end(1, how)
    heart(run, stop).pulse()
    assert stop.asked and stop.why == "by `millrace cancel`"


def test_a_wish_is_for_one_driver(run: Run) -> None:
    stop = Stop()
    run.ask_to_end(1, DRAIN)
    heart(run, stop, epoch=4).pulse()
    assert not stop.asked


def test_it_gives_way_to_a_later_driver(run: Run) -> None:
    old, new = Stop(), Stop()
    heart(run, new, epoch=3).pulse()
    heart(run, old, epoch=1).pulse()
    assert old.asked and "another driver" in old.why
    assert not new.asked
    assert (run.heartbeat() or {})["epoch"] == 3


def test_a_storage_that_is_away_costs_the_lease_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = Stop()

    def away(*_: object) -> None:
        raise Outage("the store is away")

    monkeypatch.setattr(Run, "beat", away)
    with caplog.at_level(logging.WARNING):
        heart(run, stop).pulse()
    assert not stop.asked and "the store is away" in caplog.text
