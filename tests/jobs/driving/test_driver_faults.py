"""Drivers that are killed, frozen, cancelled and ordered twice: every row is there once."""

from __future__ import annotations

import os
import pty
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cluster.processes import ProcessName
from engine.errors import Cancelled, SpecError
from engine.predict.kernel import keep
from jobs.driving.drive import adopted, drive
from jobs.driving.ending import cancel
from jobs.runs import folder as run_folder
from jobs.runs import heart
from jobs.runs.events import Together
from jobs.runs.folder import DRAIN, NOW, Run
from jobs.runs.state import State, StateConflict
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from tests.jobs.driving.driven import (
    Driven,
    driver,
    ended,
    events,
    kill,
    stands,
    story,
    until,
)

QUIET = Together([])


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Driven]:
    keep()  # compiled once, not while a test waits
    found = Driven.write(tmp_path / "job")
    with ended(found):
        yield found


def last_round(run: Run) -> int:
    rounds = events(run, "round")
    return int(rounds[-1].fields["round"]) if rounds else 0


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_job_outlives_the_deaths_of_its_drivers(driven: Driven) -> None:
    """One run through all of it, because each new driver takes seconds to begin."""
    # Submitted in a terminal that is closed.
    control, terminal = pty.openpty()
    shell = driven.start(
        "submit", "job.toml", stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=os.setsid
    )
    os.close(terminal)
    run = until(lambda: (all_runs := driven.store.runs()) and all_runs[0], "the run")
    until(lambda: run.state() != State.PENDING, "the driver")
    os.killpg(shell.pid, signal.SIGHUP)
    os.close(control)
    shell.wait()
    stands(run, State.RUNNING)

    # Killed while it trains: known at once, no process is left, training goes on.
    checkpoints = driven.folder / ".millrace/runs/checkpoints"
    until(lambda: list(checkpoints.glob("*.txt")) and last_round(run) >= 10, "a checkpoint")
    kill(driver(run))
    assert until(lambda: run.state() == State.LOST, "LOST", 2)
    until(lambda: not driven.processes(), "its workers and ranks to end", 60)

    # Two at once want to go on: one does.
    both = [driven.start("resume", run.id) for _ in range(2)]
    until(lambda: any(one.poll() is not None for one in both), "one that is told")
    told = next(one for one in both if one.poll() is not None)
    out, err = told.communicate()
    assert told.returncode in (1, 2) and "Traceback" not in err, (out, err)
    assert "its driver is process" in err or "another process has moved this run on" in err
    stands(run, State.RUNNING)
    refusal = driven.millrace("resume", run.id, code=2)
    assert f"the run is RUNNING: its driver is process {driver(run)}" in refusal

    # Killed while it scores: what is done stays.
    driven.train()
    until(lambda: len(driven.parts()) >= 3, "parts")
    told = list(run.told())
    second = [i for i, event in enumerate(told) if event.name == "driver_started"][1]
    again = next(event for event in told[second:] if event.name == "round")
    assert again.fields["round"] > 5, "training began with round 1 again"
    kill(driver(run))
    until(lambda: not driven.processes(), "all to end", 60)
    assert run.state() == State.LOST
    done, computed = driven.parts(), driven.computed()
    assert {computed[part] for part in done} == {1}

    # Cancelled: drained, then at once.
    driven.millrace("resume", run.id, "--detach")
    stands(run, State.RUNNING)
    until(lambda: sum(driven.computed().values()) >= sum(computed.values()) + 2, "parts")
    assert "asked to end" in driven.millrace("cancel", run.id)
    time.sleep(2 * heart.LOOK_SECONDS)  # until it is heard
    driven.score(5)
    assert stands(run, State.CANCELLED, State.SUCCEEDED) == State.CANCELLED
    assert run.log.last().code == 130
    assert events(run, "ended")[-1].fields["state"] == "CANCELLED"
    until(lambda: not driven.processes(), "all to end", 60)

    driven.millrace("resume", run.id, "--detach")
    stands(run, State.RUNNING)
    before = sum(driven.computed().values())
    until(lambda: sum(driven.computed().values()) > before, "a part under way")
    driven.millrace("cancel", run.id)
    assert "at once" in driven.millrace("cancel", run.id)
    assert until(lambda: run.state() == State.CANCELLED, "the end, with parts under way", 60)
    until(lambda: not driven.processes(), "all to end", 60)

    # SIGTERM, as service managers send it, drains too.
    driven.millrace("resume", run.id, "--detach")
    stands(run, State.RUNNING)
    kill(driver(run), signal.SIGTERM)
    driven.score()
    if stands(run, State.CANCELLED, State.SUCCEEDED) == State.CANCELLED:
        driven.millrace("resume", run.id)
    assert run.state() == State.SUCCEEDED, story(run)
    assert {driven.computed()[part] for part in done} == {1}, "done before, not computed again"
    driven.assert_each_row_once()
    assert "nothing to go on with" in driven.millrace("resume", run.id, code=2)
    assert "it is SUCCEEDED" in driven.millrace("cancel", run.id, code=2)
    assert driven.predictions() == driven.undisturbed()
    until(lambda: not driven.processes(), "all to end", 60)


def pending(tmp_path: Path) -> tuple[Store, Run]:
    store = Store.at(tmp_path / "runs")
    return store, store.create({"name": "j"}, {"only": [], "since": None, "force": False})


def dead() -> ProcessName:
    return replace(ProcessName.here(), boot="an earlier one")


def elsewhere() -> ProcessName:
    return replace(ProcessName.here(), host="another-host")


def begun_by(run: Run, process: ProcessName, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ProcessName, "here", lambda: process)
        entry = run.log.advance(run.log.last(), State.STARTING)
        run.log.advance(entry, State.RUNNING)


def test_a_pending_run_is_cancelled_at_once_and_a_driver_that_was_ordered_leaves_it(
    tmp_path: Path,
) -> None:
    store, run = pending(tmp_path)
    ordered = run.log.last().number
    assert cancel(run) == "CANCELLED"
    assert run.log.last().code == 130
    with pytest.raises(StateConflict, match="moved on before this driver began: it is CANCELLED"):
        drive(store, run, QUIET, Stop(), after=ordered)
    assert run.state() == State.CANCELLED
    assert adopted(run).state == State.CANCELLED, "who resumes it now may"


def test_a_lost_run_is_cancelled_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = pending(tmp_path)
    begun_by(run, dead(), monkeypatch)
    assert run.state() == State.LOST
    assert cancel(run) == "CANCELLED"
    assert [state for state, _ in story(run)][-2:] == ["LOST", "CANCELLED"]
    with pytest.raises(SpecError, match="it is CANCELLED"):
        cancel(run)


def test_a_driver_elsewhere_is_lost_when_it_is_silent_and_a_cancel_reaches_it_by_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = pending(tmp_path)
    begun_by(run, elsewhere(), monkeypatch)
    assert run.state() == State.RUNNING
    assert [cancel(run), cancel(run)] == [DRAIN, NOW]
    assert run.asked_to_end(run.epoch()) == NOW
    with pytest.raises(SpecError, match="on another-host"):
        adopted(run)
    monkeypatch.setattr(run_folder, "SILENT_SECONDS", 0.0)
    assert run.state() == State.LOST
    assert adopted(run).message == "the driver on another-host is dead"


def test_a_driver_that_was_taken_for_dead_hears_of_the_next_one_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = pending(tmp_path)
    begun_by(run, elsewhere(), monkeypatch)
    stop, sleeper = Stop(), run.log.last()
    old = heart.Heart(run, run.epoch(), stop, run.events)
    old.pulse()
    monkeypatch.setattr(run_folder, "SILENT_SECONDS", 0.0)
    taken = run.log.advance(adopted(run), State.STARTING)
    heart.Heart(run, taken.number, Stop(), run.events).pulse()
    monkeypatch.setattr(heart, "BEAT_SECONDS", 0.0)
    old._due = 0.0  # it slept longer than a beat
    old.pulse()
    assert stop() and stop.why == "another driver has taken this run over"
    assert (run.heartbeat() or {})["epoch"] == taken.number, "its heartbeat is not written over"
    with pytest.raises(StateConflict, match="another process has moved this run on"):
        run.log.advance(sleeper, State.COMMITTING)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_frozen_driver_that_wakes_after_it_was_replaced_stops_by_itself(driven: Driven) -> None:
    driven.train()
    run = driven.submit()
    until(lambda: len(driven.parts()) >= 3, "parts")
    frozen = psutil.Process(driver(run))
    frozen.suspend()
    # As it is seen from another host, a minute later.
    last = run.log.last()
    path = driven.folder / f".millrace/runs/{run.id}/state/{last.number}.json"
    path.write_text(
        path.read_text().replace(f'"host": "{last.driver.host}"', '"host": "elsewhere"')
    )
    for file in [*path.parent.iterdir(), path.parents[1] / "lease/heartbeat.json"]:
        os.utime(file, (0, 0))
    assert run.state() == State.LOST
    driven.millrace("resume", run.id, "--detach")
    stands(run, State.RUNNING)
    frozen.resume()
    until(lambda: not frozen.is_running() or frozen.status() == psutil.STATUS_ZOMBIE, "its end")
    assert run.state() == State.RUNNING, story(run)
    log = (driven.folder / f".millrace/runs/{run.id}/driver.log").read_text()
    assert "another process has moved this run on" in log, log
    driven.score()
    assert stands(run, State.SUCCEEDED, State.FAILED) == State.SUCCEEDED, story(run)
    driven.assert_each_row_once()


def test_the_wish_to_end_is_heard_by_the_driver_that_it_was_meant_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = pending(tmp_path)
    begun_by(run, elsewhere(), monkeypatch)
    cancel(run)
    stop, later = Stop(), Stop()
    heart.Heart(run, run.epoch(), stop, run.events).pulse()
    heart.Heart(run, run.epoch() + 5, later, run.events).pulse()
    assert stop() and stop.why == "by `millrace cancel`"
    assert not later()
    assert Cancelled.exit_code == 130
