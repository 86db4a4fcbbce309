"""Handles of runs, over run folders made by hand: what is waited for, told and shown."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import ProcessName
from engine.errors import Outage, SpecError
from jobs import Run, RunFailed, list_runs, open_run
from jobs.runs import state as states
from jobs.runs import waiting
from jobs.runs.events import EventLog
from jobs.runs.result import Result
from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.runs.waiting import Waiting

HERE = {"name": "made", "cluster": {"kind": "local"}}
HOSTED = {"name": "made", "cluster": {"kind": "address", "address": "office"}}


def made(folder: Path, *entries: State, job: dict[str, Any] = HERE, message: str = "") -> Run:
    """Return a run that went through these states; the last one says the message."""
    store = Store.at(folder)
    run = store.create(job)
    for state in entries:
        run.log.advance(run.log.last(), state, message if state == entries[-1] else "", 1)
    return Run(store, run)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let drivers be processes that are no more."""
    here = ProcessName.here()
    gone = ProcessName(here.host, here.boot, here.pid, here.started - 1000)
    monkeypatch.setattr(states.ProcessName, "here", lambda: gone)


def test_a_result_is_read_back_as_it_was() -> None:
    told = Result("r", "/runs/r", "/runs/r/report.html", model=Path("/m/v1"), metrics={"a": 1.5})
    told.predictions, told.sorted = "s3://bucket/out", Path("/out")
    assert Result.from_dict(json.loads(json.dumps(told.to_dict()))) == told


def test_a_failed_run_raises_its_own_error(tmp_path: Path) -> None:
    message = "too many rows are bad\n  where: table\n  to do: mend them"
    run = made(tmp_path, State.STARTING, State.FAILED, message=message)
    with pytest.raises(RunFailed) as caught:
        run.wait()
    assert str(caught.value) == f"the run {run.id} is FAILED: {message}"
    assert (caught.value.state, caught.value.exit_code) == (State.FAILED, 1)


def test_the_error_of_a_run_survives_pickling() -> None:
    error = RunFailed("x", hint="y", state=State.LOST, code=75)
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, RunFailed) and str(again) == str(error)
    assert (again.state, again.exit_code) == (State.LOST, 75)


def test_a_run_that_goes_on_has_no_result(tmp_path: Path) -> None:
    run = made(tmp_path, State.STARTING, State.RUNNING)
    with pytest.raises(SpecError, match="it is RUNNING"):
        run.result()
    with pytest.raises(TimeoutError, match="RUNNING"):
        run.wait(timeout=0)


def test_a_run_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="PENDING"):
        made(tmp_path).wait(timeout=0.1)


@pytest.mark.usefixtures("dead")
def test_a_run_whose_driver_died_here_is_lost_at_once(tmp_path: Path) -> None:
    run = made(tmp_path, State.STARTING, State.RUNNING)
    began = time.monotonic()
    with pytest.raises(RunFailed, match="is dead") as caught:
        run.wait(timeout=30)
    assert time.monotonic() - began < 5
    assert (caught.value.state, caught.value.exit_code) == (State.LOST, Outage.exit_code)


@pytest.mark.usefixtures("dead")
def test_a_lost_run_on_a_cluster_may_be_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(tmp_path, State.STARTING, State.RUNNING, job=HOSTED)
    with pytest.raises(TimeoutError, match="LOST"):
        run.wait(timeout=0.2)
    monkeypatch.setattr(waiting, "TAKEN_UP_SECONDS", 0.2)
    with pytest.raises(RunFailed) as caught:
        run.wait(timeout=30)
    assert caught.value.state == State.LOST


def test_the_end_of_an_earlier_driver_is_not_the_end(tmp_path: Path) -> None:
    folder = made(tmp_path, State.STARTING, State.CANCELLED).folder
    resumed = Waiting(folder, epoch=folder.epoch())
    assert Waiting(folder).over() and not resumed.over()
    for state in (State.STARTING, State.RUNNING):
        folder.log.advance(folder.log.last(), state)
        assert not resumed.over()
    folder.log.advance(folder.log.last(), State.FAILED, "x", 1)
    assert resumed.over()


def test_events_end_with_the_run_or_with_now(tmp_path: Path) -> None:
    run = made(tmp_path, State.STARTING, State.RUNNING)
    log = EventLog(run.folder.events)
    log.step_started("score", 10)
    assert [event.name for event in run.events()] == ["step_started"]
    following = run.events(follow=True)
    assert next(following).step == "score"
    run.folder.log.advance(run.folder.log.last(), State.FAILED, "x", 1)
    log.warning("the last")
    assert [event.name for event in following] == ["warning"]


def test_runs_are_found_by_store_and_name(tmp_path: Path) -> None:
    runs = [made(tmp_path), made(tmp_path)]
    assert list_runs(tmp_path) == runs
    assert open_run(store=tmp_path) == runs[1]
    assert open_run(runs[0].id.rpartition("-")[2], tmp_path) == runs[0]
    with pytest.raises(SpecError, match="there is no run"):
        open_run("zzzz", tmp_path)


def test_a_store_takes_no_secret_in_clear() -> None:
    with pytest.raises(SpecError, match="in clear") as caught:
        list_runs("s3://bucket/runs", storage={"secret_access_key": "canary"})
    assert "canary" not in str(caught.value)


def test_a_run_shows_how_far_each_step_is(tmp_path: Path) -> None:
    run = made(tmp_path, State.STARTING, State.RUNNING)
    log = EventLog(run.folder.events)
    log.step_started("prepare", 1000, bound=2**29)
    log.progress(1000, {"w": 2**28})
    log.step_done({"summary": "12 features"})
    log.step_started("score", 2000, bound=2**29)
    log.progress(500, {"w": 2**28}, 7)
    html = run._repr_html_()
    for told in ("RUNNING", "12 features", "500 of 2,000", "256 MiB of 512 MiB", "7 quarantined"):
        assert told in html, told
    assert "width: 25.0%" in html and "width: 100.0%" in html
    assert "report:" not in html and "script" not in html
    assert repr(run) == f"<Run {run.id} made RUNNING>"
    assert str(run).startswith(f"{run.id}  made  RUNNING")


def test_a_report_below_the_notebook_is_linked_as_jupyter_serves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(tmp_path / "my runs", State.STARTING, State.RUNNING, State.SUCCEEDED)
    run.folder.file("report.html").replace(b"<html>")
    assert f'href="file://{tmp_path}/my%20runs/{run.id}/report.html"' in run._repr_html_()
    monkeypatch.chdir(tmp_path)
    assert f'href="my%20runs/{run.id}/report.html"' in run._repr_html_()
    assert run.report == str(tmp_path / "my runs" / run.id / "report.html")


def test_markup_in_what_a_run_says_is_text(tmp_path: Path) -> None:
    bad = '<script>alert("x")</script>'
    run = made(tmp_path, State.STARTING, State.FAILED, message=bad, job={**HERE, "name": bad})
    log = EventLog(run.folder.events)
    log.step_started(bad, 10, note=bad)
    log.warning(bad)
    html = run._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 5
