"""A run that cannot be handed over is none; one that was begun before stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import ClusterError
from jobs.driving.submitting import submit
from jobs.run import create
from jobs.runs.state import State
from jobs.runs.store import Store
from jobs.spec.job import JobSpec

JOB = {
    "name": "j",
    "cluster": {"kind": "address", "address": "tcp://127.0.0.1:9"},  # nothing listens there
    "data": {"t": {"path": "t.parquet"}},
    "profile": {"data": "t"},
}


def test_without_its_cluster_a_new_run_leaves_nothing(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    run = create(JobSpec.model_validate(JOB), store)
    with pytest.raises(ClusterError):
        submit(store, run)
    assert store.runs() == []


def test_without_its_cluster_an_old_run_stays(tmp_path: Path) -> None:
    store = Store.at(tmp_path)
    run = create(JobSpec.model_validate(JOB), store)
    started = run.log.advance(run.log.last(), State.STARTING)
    run.log.advance(started, State.FAILED, "oh", 1)
    with pytest.raises(ClusterError):
        submit(store, run)
    assert store.runs() == [run] and run.state() == State.FAILED
