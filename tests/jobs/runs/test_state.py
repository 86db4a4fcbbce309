"""A run's state goes on by one driver at a time, and tells when its driver is dead."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import SpecError
from jobs.runs.driver import Driver
from jobs.runs.folder import SILENT_SECONDS, Run, create_run, find_run, list_runs
from jobs.runs.state import TRANSITIONS, Entry, State, StateConflict, StateLog

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path / "a" / "store", {"name": "x"})


def test_a_new_run_is_pending(run: Run) -> None:
    assert run.state() == State.PENDING
    assert run.job() == {"name": "x"}
    assert run.plan() is None and run.steps() == {}


def test_a_run_goes_on(run: Run) -> None:
    entry = run.log.last()
    for state in (State.STARTING, State.RUNNING, State.COMMITTING, State.SUCCEEDED):
        entry = run.log.advance(entry, state)
        assert run.state() == state
    assert [e.number for e in run.log.entries()] == [0, 1, 2, 3, 4]
    assert all(e.driver == Driver.here() for e in run.log.entries())


def test_what_may_not_follow(run: Run) -> None:
    with pytest.raises(StateConflict, match="PENDING cannot become SUCCEEDED"):
        run.log.advance(run.log.last(), State.SUCCEEDED)
    assert run.state() == State.PENDING


def test_every_state_has_its_successors() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {State.PENDING}
    for _ in State:
        reached |= {after for state in reached for after in TRANSITIONS[state]}
    assert reached == set(State)


def test_of_many_drivers_one_goes_on(run: Run) -> None:
    seen = run.log.last()

    def attempt(number: int) -> int | None:
        try:
            run.log.advance(seen, State.STARTING, str(number))
        except StateConflict:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [n for n in pool.map(attempt, range(16)) if n is not None]
    assert len(winners) == 1
    assert run.log.last().message == str(winners[0])


def test_of_two_processes_one_goes_on(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from jobs.runs.state import *\n"
        "log = StateLog(Path(sys.argv[1])); seen = log.last(); print(flush=True); input()\n"
        "try: log.advance(seen, State.STARTING); print('won')\n"
        "except StateConflict: print('lost')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(run.log.folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    outcomes = sorted(process.communicate("\n")[0].strip() for process in processes)
    assert outcomes == ["lost", "won"]


@given(st.sampled_from(list(State)), st.text(), st.integers(0, 10**6))
def test_entries_read_back(state: State, message: str, number: int) -> None:
    from datetime import UTC, datetime

    entry = Entry(number, state, datetime.now(UTC), Driver.here(), message)
    assert Entry.from_dict(entry.to_dict()) == entry


def _started_by(run: Run, driver: Driver) -> None:
    """Write entry 1 as that driver would have."""
    import json

    entry = run.log.advance(run.log.last(), State.STARTING)
    file = run.log.folder / "1.json"
    file.write_text(json.dumps(replace(entry, driver=driver).to_dict()))


def test_a_dead_driver_is_lost(run: Run) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    _started_by(run, replace(Driver.here(), pid=child.pid))
    assert run.state() == State.LOST
    assert run.log.last().state == State.STARTING, "looking does not write"


def test_a_killed_driver_is_lost(run: Run) -> None:
    code = (
        "import sys, time; from pathlib import Path; from jobs.runs.state import *\n"
        "log = StateLog(Path(sys.argv[1])); log.advance(log.last(), State.STARTING)\n"
        "print('started', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(run.log.folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    assert run.state() == State.STARTING
    child.kill()
    # Not waited for yet: a zombie is dead, too.
    deadline = time.monotonic() + 30
    while run.state() != State.LOST and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.state() == State.LOST
    child.wait()


@pytest.mark.parametrize(
    "other",
    [{"boot": "an earlier one"}, {"started": 1.0}],
    ids=["after a reboot", "a reused process id"],
)
def test_another_process_with_its_number_is_not_the_driver(
    run: Run, other: dict[str, object]
) -> None:
    _started_by(run, replace(Driver.here(), **other))  # type: ignore[arg-type]
    assert run.state() == State.LOST


def test_a_driver_elsewhere_is_known_by_its_heartbeat(run: Run) -> None:
    _started_by(run, replace(Driver.here(), host=socket.gethostname() + "-other"))
    assert run.state() == State.LOST, "it never had a heartbeat"
    with run.beating():
        assert run.state() == State.STARTING
    old = time.time() - SILENT_SECONDS - 1
    os.utime(run.path / "heartbeat", (old, old))
    assert run.state() == State.LOST


def test_the_heart_beats(run: Run) -> None:
    file = run.path / "heartbeat"
    with run.beating(seconds=0.01):
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 30
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.stat().st_mtime > 0
    os.utime(file, (0, 0))
    time.sleep(0.05)
    assert file.stat().st_mtime == 0, "it stops with the body"


def test_a_lost_run_can_be_resumed(run: Run) -> None:
    _started_by(run, replace(Driver.here(), boot="an earlier one"))
    lost = run.log.advance(run.log.last(), State.LOST)
    run.log.advance(lost, State.STARTING)
    assert run.state() == State.STARTING


def test_plan_and_steps_are_kept(run: Run) -> None:
    run.write_plan({"peak": 1})
    run.write_plan({"peak": 2})
    run.write_step("train", {"rows": 3})
    run.write_step("score", {"rows": 4, "where": Path("out")})
    assert run.plan() == {"peak": 2}
    assert run.step("train") == {"rows": 3} and run.step("prepare") is None
    assert list(run.steps()) == ["train", "score"]
    assert {p.name for p in (run.path / "steps").iterdir()} == {"train.json", "score.json"}


def test_runs_are_found(tmp_path: Path) -> None:
    first, second = (create_run(tmp_path, {"name": str(i)}) for i in range(2))
    (tmp_path / "20200101-000000").mkdir()  # killed while it was made
    assert list_runs(tmp_path) == [first, second]
    assert find_run(tmp_path, "@last") == second
    assert find_run(tmp_path, first.id) == first
    assert find_run(tmp_path, first.id[:-1]).id == first.id


def test_runs_that_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no runs"):
        find_run(tmp_path / "none", "@last")
    first, second = (create_run(tmp_path, {}) for _ in range(2))
    with pytest.raises(SpecError, match="several runs") as caught:
        find_run(tmp_path, first.id[:9])
    assert second.id in str(caught.value)
    with pytest.raises(SpecError, match="no run 'x'"):
        find_run(tmp_path, "x")


def test_ids_differ(tmp_path: Path) -> None:
    ids = [create_run(tmp_path, {}).id for _ in range(20)]
    assert len(set(ids)) == 20


def test_a_log_without_entries(tmp_path: Path) -> None:
    with pytest.raises(StateConflict, match="no state"):
        StateLog(tmp_path).last()
