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

from cluster.processes import ProcessName
from engine.errors import SpecError
from engine.place.local import LocalPlace
from jobs.runs.folder import HEARTBEAT, SILENT_SECONDS, Run
from jobs.runs.state import TRANSITIONS, Entry, State, StateConflict, StateLog
from jobs.runs.store import Store

ROOT = Path(__file__).parents[3]


def folder(run: Run) -> Path:
    return Path(str(run))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Store.at(tmp_path / "a" / "store").create({"name": "x"})


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
    assert all(e.driver == ProcessName.here() for e in run.log.entries())


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
        "import sys; from jobs.runs.store import *; from jobs.runs.state import *\n"
        "log = Store.at(sys.argv[1]).find('@last').log\n"
        "seen = log.last(); print(flush=True); input()\n"
        "try: log.advance(seen, State.STARTING); print('won')\n"
        "except StateConflict: print('lost')\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder(run).parent)],
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

    entry = Entry(number, state, datetime.now(UTC), ProcessName.here(), message)
    assert Entry.from_dict(entry.to_dict()) == entry


def _started_by(run: Run, driver: ProcessName) -> None:
    """Write entry 1 as that driver would have."""
    import json

    entry = run.log.advance(run.log.last(), State.STARTING)
    file = folder(run) / "state/1.json"
    file.write_text(json.dumps(replace(entry, driver=driver).to_dict()))


def test_a_dead_driver_is_lost(run: Run) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    _started_by(run, replace(ProcessName.here(), pid=child.pid))
    assert run.state() == State.LOST
    assert run.log.last().state == State.STARTING, "looking does not write"


def test_a_killed_driver_is_lost(run: Run) -> None:
    code = (
        "import sys, time; from jobs.runs.store import *; from jobs.runs.state import *\n"
        "log = Store.at(sys.argv[1]).find('@last').log; log.advance(log.last(), State.STARTING)\n"
        "print('started', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(folder(run).parent)],
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
    _started_by(run, replace(ProcessName.here(), **other))  # type: ignore[arg-type]
    assert run.state() == State.LOST


def test_a_driver_elsewhere_is_known_by_its_heartbeat(run: Run) -> None:
    _started_by(run, replace(ProcessName.here(), host=socket.gethostname() + "-other"))
    assert run.state() == State.STARTING, "its first heartbeat comes a moment later"
    old = time.time() - SILENT_SECONDS - 1
    for entry in (folder(run) / "state").iterdir():
        os.utime(entry, (old, old))
    assert run.state() == State.LOST
    run.beat(1, 1)
    assert run.state() == State.STARTING
    os.utime(folder(run) / HEARTBEAT, (old, old))
    assert run.state() == State.LOST


def test_a_lost_run_can_be_resumed(run: Run) -> None:
    _started_by(run, replace(ProcessName.here(), boot="an earlier one"))
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
    assert {p.name for p in (folder(run) / "steps").iterdir()} == {"train.json", "score.json"}


def test_runs_are_found(tmp_path: Path) -> None:
    first, second = (Store.at(tmp_path).create({"name": str(i)}) for i in range(2))
    (tmp_path / "20200101-000000").mkdir()  # killed while it was made
    assert Store.at(tmp_path).runs() == [first, second]
    assert Store.at(tmp_path).find("@last") == second
    assert Store.at(tmp_path).find(first.id) == first
    assert Store.at(tmp_path).find(first.id[:-1]).id == first.id


def test_runs_that_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no runs"):
        Store.at(tmp_path / "none").find("@last")
    first, second = (Store.at(tmp_path).create({}) for _ in range(2))
    with pytest.raises(SpecError, match="several runs") as caught:
        Store.at(tmp_path).find(first.id[:9])
    assert second.id in str(caught.value)
    with pytest.raises(SpecError, match="no run 'x'"):
        Store.at(tmp_path).find("x")


def test_ids_differ(tmp_path: Path) -> None:
    ids = [Store.at(tmp_path).create({}).id for _ in range(20)]
    assert len(set(ids)) == 20


def test_a_log_without_entries(tmp_path: Path) -> None:
    with pytest.raises(StateConflict, match="no state"):
        StateLog(LocalPlace(tmp_path, tmp_path), "x").last()
