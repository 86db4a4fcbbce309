"""Jobs run and handed over from Python: real drivers, real workers, real kills."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine.errors import MillraceError, SpecError
from jobs import Job, Run, RunFailed, open_run
from jobs.runs.result import Result
from jobs.runs.state import State
from tests.jobs.input_jobs import files, scored, table, trained, write_job


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("model"))


@pytest.fixture
def scoring(tmp_path: Path, model: Path) -> Path:
    """A job file that scores 300 rows."""
    files(tmp_path, table(300))
    return write_job(tmp_path, "score", model=model)


@pytest.fixture
def left() -> Iterator[list[Run]]:
    """Runs that do not outlive their test."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        if run.state.active:
            with suppress(ProcessLookupError):
                os.kill(run.status()["pid"], signal.SIGKILL)


@pytest.mark.slow
def test_a_run_that_was_handed_over_is_waited_for(
    scoring: Path, left: list[Run], request: pytest.FixtureRequest
) -> None:
    # Processes of pytest-xdist ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    run = Job.load(scoring).submit(store=scoring.parent / "runs")
    left.append(run)
    assert run.status()["pid"] != os.getpid()
    with pytest.raises(TimeoutError):
        run.wait(timeout=0)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    result = run.wait(progress=True)
    assert result.predictions == scoring.parent / "out"
    assert result.ledger["scored"] == scored(scoring).height == 300
    names = [event.name for event in run.events(follow=True)]
    assert names[0] == "driver_started" and names[-2:] == ["step_done", "ended"]
    assert open_run(run.id, scoring.parent / "runs").result() == result
    assert Path(run.report).read_text().startswith("<!doctype html>")
    html = run._repr_html_()
    assert "SUCCEEDED" in html and "report.html" in html and "width: 100.0%" in html
    for refused in (run.cancel, run.resume):
        with pytest.raises(SpecError, match=r"(?i)succeeded"):
            refused()


@pytest.mark.slow
def test_cancelled_killed_resumed(tmp_path: Path, left: list[Run]) -> None:
    files(tmp_path, table(600))
    sections = tomllib.loads(write_job(tmp_path, "train").read_text())
    sections["train"]["params"]["n_estimators"] = 300
    run = Job.of(sections, folder=tmp_path).submit(store=tmp_path / "runs")
    left.append(run)
    assert run.cancel() == "drain"
    with pytest.raises(RunFailed, match="cancelled") as caught:
        run.wait(timeout=120)
    assert (caught.value.state, caught.value.exit_code) == (State.CANCELLED, 130)
    assert run.resume() is run
    os.kill(run.status()["pid"], signal.SIGKILL)
    with pytest.raises(RunFailed, match="is dead") as caught:
        run.wait(timeout=120)
    assert (caught.value.state, caught.value.exit_code) == (State.LOST, 75)
    result = run.resume().wait(timeout=120)
    assert result.model == tmp_path / "models/m/v1"
    assert [e.name for e in run.events()].count("driver_started") == 3


@pytest.mark.slow
def test_the_error_of_the_driver_reaches_who_waits(scoring: Path) -> None:
    job = Job.load(scoring)
    (scoring.parent / "models/m/v1/model.txt").write_text("no trees")
    store = scoring.parent / "runs"
    with pytest.raises(MillraceError) as here:
        job.run(store=store, progress=False)
    run = job.submit(store=store)
    with pytest.raises(RunFailed) as there:
        run.wait(timeout=120)
    assert there.value.exit_code == here.value.exit_code
    assert str(there.value) == f"the run {run.id} is FAILED: {here.value}"
    assert run.status()["code"] == here.value.exit_code


@pytest.mark.slow
def test_a_job_runs_in_another_thread(scoring: Path) -> None:
    results: list[Result] = []
    job, store = Job.load(scoring), scoring.parent / "runs"
    thread = threading.Thread(target=lambda: results.append(job.run(store=store)))
    thread.start()
    thread.join()
    assert results == [open_run(store=store).result()]
    assert scored(scoring).height == 300


@pytest.mark.slow
def test_a_job_runs_where_an_event_loop_does(scoring: Path) -> None:
    """As in the cell of a notebook: its kernel runs cells in the thread of a running loop."""
    job, store = Job.load(scoring), scoring.parent / "runs"

    async def cell() -> tuple[Result, Any]:
        before = signal.getsignal(signal.SIGINT)
        result = job.run(store=store)
        assert signal.getsignal(signal.SIGINT) is before
        return result, await asyncio.to_thread(job.submit(store=store).wait)

    first, second = asyncio.run(cell())
    assert first.ledger == second.ledger and first.ledger["scored"] == 300
    assert second.run != first.run and second.skipped == ["score"]
