"""Runs as plain data: of a real run, and of folders made by hand."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.runs.story import Stage
from jobs.ui import view
from jobs.ui.store import FRESH_SECONDS, Runs
from jobs.ui.view import UNREADABLE, Detail, Looked
from tests.jobs.input_jobs import files, run, table, write_job
from tests.jobs.ui.made_runs import (
    FAILED,
    MIB,
    RUNNING,
    SUCCEEDED,
    dead,
    done,
    made,
    progress,
    started,
    tell,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "runs")


def only(store: Store) -> Looked:
    (found,) = Runs(store).all()
    return found


def detailed(store: Store, name: str) -> Detail:
    found = Runs(store).detail(name)
    assert found is not None
    return found


@pytest.mark.slow
def test_a_real_run_is_told_with_its_steps_plan_memory_and_report(tmp_path: Path) -> None:
    files(tmp_path, table(3000))
    result = run(write_job(tmp_path, "train", "score"))
    runs = Runs(Store.at(tmp_path / "runs"))
    (listed,) = runs.all()
    assert (listed.run, listed.job, listed.state) == (result.run, "inputs", State.SUCCEEDED)
    found = runs.detail(result.run)
    assert found is not None
    steps = {step.name: step for step in found.look.steps}
    assert list(steps) == ["prepare", "train", "score"]
    assert {step.stage for step in steps.values()} == {Stage.DONE}
    assert (steps["prepare"].done, steps["score"].done) == (3000, 3000)
    assert (steps["prepare"].parts, steps["score"].parts) == (1, 1)
    assert steps["train"].curves["valid_auc"][-1][1] > 0.9
    for planned, step in found.planned:
        assert step is not None and step.peak is not None
        assert 0 < step.peak <= planned["peak"] == step.bound
    assert found.limit == 1 << 30
    assert [entry.state for entry in found.history][-1] == State.SUCCEEDED
    assert list(found.reports) == ["report"]
    assert (runs.page(result.run, "report") or b"").startswith(b"<!doctype html>")
    assert found.spec["train"]["target"] == "label"
    assert "weight" not in found.spec["train"]  # left out in the job
    json.dumps(found.to_dict())


def test_a_run_at_work(store: Store) -> None:
    told = [started("prepare"), done("prepare", 5, 1000), started("train", 6)]
    made(store, "flights", RUNNING, *told, progress("train", 10, 250), ago=16)
    found = only(store)
    assert (found.state, found.active, found.ended) == (State.RUNNING, True, None)
    assert [step.stage for step in found.steps] == [Stage.DONE, Stage.RUNNING, Stage.WAITING]
    assert found.step is not None
    assert (found.step.name, found.step.share, found.peak) == ("train", 0.25, 260 * MIB)
    assert found.step.rate(found.now) == pytest.approx(25, rel=0.05)


def test_a_run_whose_driver_is_dead_is_lost_and_its_step_has_stopped(store: Store) -> None:
    made(store, "flights", RUNNING, started("train"), progress("train", 4, 250), driver=dead())
    found = only(store)
    assert (found.state, found.active) == (State.LOST, False)
    assert found.step is not None and found.step.stage is Stage.STOPPED
    assert found.step.seconds(found.now) == pytest.approx(4)  # until it was heard of last
    assert found.recent


def test_a_failed_run_says_why_and_where(store: Store) -> None:
    made(store, "flights", FAILED, started("prepare"), message="a column is missing")
    found = only(store)
    assert (found.message, found.step and found.step.name) == ("a column is missing", "prepare")
    assert found.ended is not None


def test_rows_that_only_the_result_of_a_step_counts_as_quarantined_are_told(store: Store) -> None:
    made_run = made(store, "flights", SUCCEEDED, started("score"), done("score", 5, 1000))
    made_run.write_step("score", {"quarantined": 12, "output": "out"})
    found = detailed(store, made_run.id)
    assert [step.quarantined for step in found.look.steps] == [0, 0, 12]
    assert found.results["score"] == "quarantined 12, output out"


def test_the_newest_run_comes_first(store: Store) -> None:
    made_runs = [made(store, f"job {number}", SUCCEEDED, steps=()) for number in range(3)]
    found = [run.run for run in Runs(store).all()]
    assert found == sorted((run.id for run in made_runs), reverse=True)


def test_a_damaged_folder_does_not_hide_the_others(store: Store) -> None:
    made(store, "good", SUCCEEDED)
    bad = made(store, "bad")
    (Path(str(bad)) / "job.json").write_text("{")
    states = {run.run: run.state for run in Runs(store).all()}
    assert states.pop(bad.id) == UNREADABLE
    assert list(states.values()) == [State.SUCCEEDED]


def test_a_store_that_is_not_there_has_no_runs(store: Store) -> None:
    assert Runs(store).all() == []
    assert Runs(store).detail("20261121-101502-7f3a9c") is None


def test_news_is_seen_after_a_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.ui.store.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("jobs.ui.store.COST", 0)
    runs, made_run = Runs(store), made(store, "flights", RUNNING, started("score"), ago=9)
    assert runs.all()[0].steps[-1].done == 0
    tell(made_run, progress("score", 0, 100))
    assert runs.all()[0].steps[-1].done == 100
    found = runs.detail(made_run.id)
    assert found is not None and found.look.steps[-1].done == 100
    tell(made_run, progress("score", 0, 900))
    assert runs.all()[0].steps[-1].done == 900  # the events before are not counted twice
    assert found.look.steps[-1].done == 100  # what was told stays as it was told
    made_run.log.advance(made_run.log.last(), State.FAILED, "no more")
    assert runs.all()[0].state == State.FAILED
    made_run.log.advance(made_run.log.last(), State.STARTING)  # resumed
    assert runs.all()[0].state == State.STARTING


def test_what_has_succeeded_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.ui.store.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("jobs.ui.store.COST", 0)
    runs, made_run = Runs(store), made(store, "flights", SUCCEEDED)
    before = runs.all()
    (Path(str(made_run)) / "job.json").unlink()
    assert runs.all()[0] is before[0]


def test_what_was_read_a_moment_ago_is_told_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.ui.store.FRESH_SECONDS", 3600.0)
    runs = Runs(store)
    made(store)
    assert len(runs.all()) == 1
    made(store)
    assert len(runs.all()) == 1
    assert FRESH_SECONDS <= 1


def test_a_run_that_is_removed_is_no_longer_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.ui.store.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("jobs.ui.store.COST", 0)
    runs, made_run = Runs(store), made(store, "flights", FAILED)
    assert len(runs.all()) == 1
    made_run.remove()
    assert runs.all() == []
    assert runs.detail(made_run.id) is None


def test_many_may_ask_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.ui.store.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("jobs.ui.store.COST", 0)
    runs, made_run = Runs(store), made(store, "flights", RUNNING, started("score", rows=100))
    told, wrong = 0, []

    def ask() -> None:
        for _ in range(20):
            found = runs.detail(made_run.id)
            seen = found.look.steps[-1].done if found else -1
            wrong.extend([seen] if not 0 <= seen <= 100 else [])

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for told in range(1, 101):
        tell(made_run, progress("score", 0, told))
    for asker in askers:
        asker.join()
    found = runs.detail(made_run.id)
    assert not wrong and found is not None and found.look.steps[-1].done == 100


def test_only_known_pages_are_known() -> None:
    assert set(view.REPORTS.values()) == {"report.html", "profile/profile.html"}
