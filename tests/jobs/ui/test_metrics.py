from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.ui import metrics
from jobs.ui.metrics import exposition
from jobs.ui.store import Runs
from tests.jobs.ui.made_runs import (
    FAILED,
    MIB,
    RUNNING,
    SUCCEEDED,
    Told,
    boosted,
    dead,
    made,
    progress,
    started,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.at(tmp_path / "runs")


def scraped(store: Store) -> dict[str, list[Sample]]:
    """Return the samples of a scrape by name, as a parser of the format reads them."""
    text, _ = exposition(Runs(store).all(), "")
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_a_run_at_work_is_told_with_its_figures(store: Store) -> None:
    told = [started("train"), progress("train", 5, 600, 7, parts_done=2), boosted(9, 40, 0.75)]
    run = made(store, "flights", RUNNING, *told)
    found = scraped(store)
    labels = {"run": run.id, "job": "flights", "step": "train"}
    for name, value in {
        "millrace_rows_done_total": 600,
        "millrace_rows_planned": 1000,
        "millrace_parts_done_total": 2,
        "millrace_quarantined_rows_total": 7,
        "millrace_step_progress_ratio": 0.4,
        "millrace_worker_bound_bytes": 300 * MIB,
        "millrace_boosting_rounds": 40,
    }.items():
        (sample,) = found[name]
        assert (sample.labels, sample.value) == (labels, value), name
    (score,) = found["millrace_boosting_score"]
    assert (score.labels["metric"], score.value) == ("valid_auc", 0.75)
    peaks = {s.labels["worker"]: s.value for s in found["millrace_worker_peak_bytes"]}
    assert peaks == {"10.0.0.1:4000": 200 * MIB, "10.0.0.2:4000": 250 * MIB}
    (began,) = found["millrace_run_started_timestamp_seconds"]
    assert began.value == pytest.approx(run.log.first().time.timestamp())
    states = {s.labels["state"]: s.value for s in found["millrace_run_state"]}
    assert states == {str(state): float(state is State.RUNNING) for state in State}


def test_the_store_is_counted_by_state(store: Store) -> None:
    made(store, "a", RUNNING)
    made(store, "b", SUCCEEDED)
    made(store, "c", SUCCEEDED)
    made(store, "d", RUNNING, driver=dead())
    counts = {s.labels["state"]: s.value for s in scraped(store)["millrace_runs"]}
    assert {state: n for state, n in counts.items() if n} == {
        "RUNNING": 1,
        "SUCCEEDED": 2,
        "LOST": 1,
    }
    assert set(counts) == set(State)


def test_the_end_of_a_run_is_seen_and_after_a_while_it_is_told_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(store, "flights", FAILED, started("train"))
    lost = made(store, "flights", RUNNING, started("train"), driver=dead())
    found = scraped(store)
    assert {s.labels["run"] for s in found["millrace_run_state"]} == {run.id, lost.id}
    (ended,) = found["millrace_run_ended_timestamp_seconds"]
    assert ended.labels["run"] == run.id
    monkeypatch.setattr("jobs.ui.view.RECENT_SECONDS", 0.0)
    assert "millrace_run_state" not in scraped(store)
    assert "millrace_rows_done_total" not in scraped(store)


def test_the_series_of_a_scrape_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RUNS_TOLD", 2)
    monkeypatch.setattr(metrics, "WORKERS_TOLD", 3)
    memory = {f"10.0.0.{n}:1": n * MIB for n in range(1, 9)}
    told: list[Told] = [started("score"), progress("score", 1, 10, memory=memory)]
    made_runs = [made(store, "flights", RUNNING, *told) for _ in range(3)]
    found = scraped(store)
    newest = sorted(run.id for run in made_runs)[1:]
    peaks = [(s.labels["run"], s.value) for s in found["millrace_worker_peak_bytes"]]
    assert sorted(peaks) == [(run, n * MIB) for run in newest for n in (6, 7, 8)]


def test_names_that_look_like_the_format_stay_names(store: Store) -> None:
    name = 'x"} 1\nmillrace_rows_done_total{run="y'
    made(store, name, RUNNING, started("train"))
    (sample,) = scraped(store)["millrace_rows_done_total"]
    assert sample.labels["job"] == name


def test_open_metrics_is_spoken_to_who_asks_for_it(store: Store) -> None:
    made(store, "flights", RUNNING, started("train"), progress("train", 1, 9))
    text, kind = exposition(Runs(store).all(), "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    families = {family.name: family for family in open_metrics_families(text.decode())}
    assert families["millrace_rows_done"].type == "counter"
    assert families["millrace_rows_planned"].type == "gauge"
