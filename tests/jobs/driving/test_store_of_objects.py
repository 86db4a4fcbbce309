"""Runs whose folders lie in an object store: every command, two drivers, faults of the store."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from engine.errors import Cancelled
from engine.predict.kernel import keep
from engine.storage import stores
from jobs import cli
from jobs.driving.drive import drive
from jobs.runs import heart
from jobs.runs.folder import Run
from jobs.runs.state import Entry, State, StateConflict
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from tests.engine.commit.proxy import Proxy, between
from tests.engine.storage.storage_servers import Bucket, s3
from tests.jobs.input_jobs import Heard, files, one_cluster, table, write_job

pytest.importorskip("moto.server", reason="needs moto's S3 server")

ROWS = 400


@pytest.fixture(scope="module", autouse=True)
def secrets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        patch.setenv("MILLRACE_SECRET_STORE_KEY", "somebody")
        patch.setenv("MILLRACE_SECRET_STORE_SECRET", "secret")
        yield


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3() as url:
        yield url


@pytest.fixture(scope="module")
def cluster(secrets: None) -> Iterator[None]:
    keep()
    with one_cluster():
        yield


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    stores._store.cache_clear()
    with between(endpoint) as found:
        yield found


@pytest.fixture
def bucket(proxy: Proxy) -> Bucket:
    return Bucket(proxy.url)


@pytest.fixture
def store(bucket: Bucket) -> Store:
    return Store.at(f"{bucket.url}/team/runs", bucket.access)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, table(ROWS))
    return write_job(tmp_path, "train", "score")


def millrace(store: Store, *words: str, code: int = 0) -> str:
    options = [f"--storage={name}={value}" for name, value in store.access.options]
    result = CliRunner().invoke(cli.main, [*words, "--store", store.location, *options])
    assert result.exit_code == code, (words, result.output)
    return result.output


def names(run: Run) -> list[str]:
    return [event.name for event in run.told()]


def assert_each_row_once(job: Path) -> None:
    assert sorted(pl.read_parquet(job.parent / "out")["id"]) == list(range(ROWS))


def test_every_command_reads_and_writes_a_store_of_objects_through_its_faults(
    job: Path, bucket: Bucket, store: Store, proxy: Proxy, cluster: None
) -> None:
    proxy.faults = {
        r"PUT .*/state/1\.json": ["lost"],
        r"PUT .*/state/2\.json": ["503", "cut"],
        r"PUT .*/state/3\.json": ["twice"],
        r"PUT .*/events": ["lost", "503"],
        r"PUT .*/heartbeat": ["503"],
        r"PUT .*/steps/": ["lost"],
        r"PUT .*/report": ["503"],
        r"PUT .*/result": ["cut"],
        r"GET .*/state": ["503", "cut"],
    }
    millrace(store, "run", str(job), "--json")
    assert not any(left for left in proxy.faults.values()), proxy.faults
    assert_each_row_once(job)
    (run,) = store.runs()
    assert [str(entry.state) for entry in run.log.entries()] == [
        "PENDING", "STARTING", "RUNNING", "COMMITTING", "RUNNING", "SUCCEEDED",
    ]  # fmt: skip
    told = names(run)
    assert told[0] == "driver_started" and told[-1] == "ended"
    assert told.count("step_done") == told.count("step_started") == 3
    assert [e.time for e in run.told()] == sorted(e.time for e in run.told())

    (listed,) = json.loads(millrace(store, "list", "--json"))
    assert (listed["run"], listed["state"]) == (run.id, "SUCCEEDED")
    assert json.loads(millrace(store, "status", "--json"))["state"] == "SUCCEEDED"
    assert "SUCCEEDED" in millrace(store, "status", "--watch")
    assert "ended" in millrace(store, "logs", run.id.rpartition("-")[2], "-f").splitlines()[-1]
    page = Path(json.loads(millrace(store, "report", "--json"))["report"])
    assert "<html" in page.read_text()
    assert "nothing to go on with" in millrace(store, "resume", code=2)
    assert "it is SUCCEEDED" in millrace(store, "cancel", code=2)
    assert run.id in millrace(store, "rm", run.id)
    left = [key for key in bucket.contents() if run.id in key]
    assert left == [] and millrace(store, "list", "--json").strip() == "[]"
    assert not (job.parent / ".millrace/runs").exists(), "nothing of it lies here"


def test_a_cancel_and_a_resume_reach_each_other_by_the_store_alone(
    job: Path, store: Store, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heart, "STORE_SECONDS", 0.1)
    from jobs.run import create
    from jobs.spec.jobfile import load_job

    run, stop = create(load_job(job), store), Stop()

    def cancelled() -> None:
        assert "asked to end" in millrace(store, "cancel", run.id)
        heard = threading.Event()
        for _ in range(300):
            if stop():
                return
            heard.wait(0.1)

    with pytest.raises(Cancelled, match="before the step"):
        drive(store, run, Heard("prepare", cancelled), stop)
    assert (run.state(), run.log.last().code) == (State.CANCELLED, 130)
    assert names(run)[-1] == "ended"
    millrace(store, "resume", run.id)
    assert run.state() == State.SUCCEEDED
    assert_each_row_once(job)
    assert names(run).count("driver_started") == 2 and names(run)[-1] == "ended"


@pytest.mark.parametrize("fault", ["none", "lost", "503"])
def test_of_many_drivers_that_want_a_run_one_gets_it(
    store: Store, proxy: Proxy, fault: str
) -> None:
    run = store.create({"name": "j"})
    if fault != "none":
        proxy.faults = {r"PUT .*/state/1\.json": [fault] * 3}  # type: ignore[list-item]
    seen, won, told = run.log.last(), list[Entry](), list[StateConflict]()

    def want() -> None:
        try:
            won.append(Run(run.place, run.id).log.advance(seen, State.STARTING))
        except StateConflict as conflict:
            told.append(conflict)

    drivers = [threading.Thread(target=want) for _ in range(8)]
    for one in drivers:
        one.start()
    for one in drivers:
        one.join()
    assert (len(won), len(told)) == (1, 7)
    assert run.log.last() == won[0]


def test_a_store_that_is_away_keeps_the_events_and_stops_nobody_who_tells_them(
    store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "RETRIES", 0)
    stores._store.cache_clear()
    run = store.create({"name": "j"})
    beating = heart.Heart(run, 1, Stop(), run.events)
    beating.journal.write(b'{"first": 1}\n')
    proxy.faults = {"PUT": ["down"]}
    asked = len(proxy.seen)
    beating.journal.write(b'{"second": 2}\n' * 10_000)
    assert len(proxy.seen) == asked, "telling asks the store for nothing"
    beating.pulse()
    proxy.faults = {}
    beating.pulse()
    read, mark = run.events.read()
    assert read == b'{"first": 1}\n' + b'{"second": 2}\n' * 10_000
    assert run.events.read(mark) == (b"", mark)
