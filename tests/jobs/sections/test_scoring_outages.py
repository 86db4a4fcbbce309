"""Scoring runs whose worker freezes, whose store goes away, whose disk is full: every row once."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import polars as pl
import psutil
import pytest

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine import outages
from engine.commit import Manifest
from engine.data.dataset import Dataset
from engine.errors import Outage
from engine.storage import stores
from engine.tasks import calls, stragglers
from jobs.sections import sessions
from tests.engine.commit.proxy import Proxy, between
from tests.engine.storage.storage_servers import Bucket, s3
from tests.jobs.input_jobs import Heard, files, plan, run, scored, table, trained, write_job

pytest.importorskip("moto.server", reason="needs moto's S3 server")

ASIDE = 'on_bad_part = "quarantine"\n'
ROWS, FILES = 300, 12


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """Two worker processes, which all jobs of this module use, with short patience for a store."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
        patch.setenv("MILLRACE_SECRET_STORE_KEY", "somebody")
        patch.setenv("MILLRACE_SECRET_STORE_SECRET", "secret")
        with connect(LocalCluster(workers=2, memory="1 GiB")) as opened:
            opened.client.run(_impatient)
            patch.setattr(sessions, "connect", lambda _, **__: nullcontext(opened))
            yield opened


def _impatient() -> None:
    stores.RETRIES, stores.RETRY_SECONDS = 1, 2
    stores._store.cache_clear()


@pytest.fixture(scope="module")
def model(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One part a file; waits of the driver are short."""
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: 15_000)
    monkeypatch.setattr(stragglers, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(calls, "FETCH_SECONDS", 3.0)
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.2)
    _impatient()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of a server that speaks S3."""
    with s3() as url:
        yield url


@pytest.fixture
def proxy(endpoint: str) -> Iterator[Proxy]:
    with between(endpoint) as found:
        yield found


@pytest.fixture
def bucket(proxy: Proxy) -> Bucket:
    """A bucket that is reached through the proxy."""
    return Bucket(proxy.url)


def tables() -> list[pl.DataFrame]:
    return [table(ROWS, number * ROWS) for number in range(FILES)]


def stored(bucket: Bucket) -> str:
    options = dict(bucket.access.options)
    return "storage = { " + ", ".join(f'{k} = "{v}"' for k, v in options.items()) + " }\n"


def whole(job: Path) -> Manifest:
    """Return the manifest of a result that has every row once and set nothing aside."""
    (record,) = job.parent.glob("out.millrace/runs/*/commit.json")
    manifest = Manifest.model_validate_json(record.read_bytes())
    assert sorted(scored(job)["id"]) == list(range(ROWS * FILES))
    assert manifest.rows_in == manifest.scored == ROWS * FILES and not manifest.bad_parts
    return manifest


def records(job: Path) -> dict[Path, int]:
    found = job.parent.glob("out.millrace/runs/*/parts/*.json")
    return {path: path.stat().st_mtime_ns for path in found}


def workers(session: Session) -> list[int]:
    return list(session.client.run(os.getpid).values())


class Freezer(Heard):
    """Stops a worker when only so many parts are left."""

    def __init__(self, pids: list[int], job: Path, left: int) -> None:
        super().__init__()
        self._pids, self._job, self.frozen = pids, job, 0
        self._at = len(plan(job).score_partitions) - left

    def progress(self, *_: object, **__: object) -> None:
        if not self.frozen and len(records(self._job)) >= self._at:
            self.frozen = self._pids[0]
            os.kill(self.frozen, signal.SIGSTOP)


@pytest.mark.slow
@pytest.mark.parametrize(("more", "left"), [("", 4), (ASIDE, 30)])
def test_a_frozen_worker_neither_holds_a_run_up_nor_doubles_a_row(
    session: Session, model: Path, tmp_path: Path, more: str, left: int
) -> None:
    files(tmp_path, *tables())
    job = write_job(tmp_path, "score", model=model, more=more)
    heard = Freezer(workers(session), job, left)
    with _thawed(heard):
        result = run(job, heard)
    told = ("on a second worker too", "is run again")
    assert heard.frozen and all(any(one in text for one in told) for text in heard.warnings)
    assert heard.warnings, "it was not Dask that gave the worker up"
    manifest = whole(job)
    assert result.ledger["scored"] == ROWS * FILES
    assert len(records(job)) == len(manifest.parts)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    time.sleep(1)  # whatever it was about to write
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert run(job).skipped == ["score"]
    session.client.wait_for_workers(2, timeout=60)


@contextmanager
def _thawed(heard: Freezer) -> Iterator[None]:
    try:
        yield
    finally:
        if heard.frozen and psutil.pid_exists(heard.frozen):
            os.kill(heard.frozen, signal.SIGCONT)


class OnWarning(Heard):
    """Does something at the first news of an outage."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._then = act

    def warning(self, text: str) -> None:
        super().warning(text)
        threading.Timer(3.0, self._then).start()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "down"])
@pytest.mark.parametrize("more", ["", ASIDE])
def test_a_store_that_goes_away_and_comes_back_costs_no_part(
    session: Session,
    model: Path,
    tmp_path: Path,
    proxy: Proxy,
    bucket: Bucket,
    fault: str,
    more: str,
) -> None:
    _upload(bucket)
    job = write_job(
        tmp_path, "score", model=model, more=more, path=f"{bucket.url}/in", data=stored(bucket)
    )

    def away() -> None:
        proxy.faults = {"GET .*in/": [fault] * (10**6 if fault == "503" else 1)}  # type: ignore[list-item]

    heard = OnWarning(lambda: setattr(proxy, "faults", {}))
    heard.step_started = lambda *_, **__: away()  # type: ignore[method-assign]
    run(job, heard)
    whole(job)
    assert len(heard.warnings) == 1 and "tried again with growing pauses" in heard.warnings[0]
    assert heard.warnings[0].count("set aside") == 0


def _upload(bucket: Bucket) -> None:
    for number, frame in enumerate(tables()):
        content = io.BytesIO()
        frame.write_parquet(content)
        bucket.put(f"in/{number:02d}.parquet", content.getvalue())


@pytest.mark.slow
def test_a_store_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    session: Session,
    model: Path,
    tmp_path: Path,
    proxy: Proxy,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 2.0)
    _upload(bucket)
    job = write_job(
        tmp_path, "score", model=model, more=ASIDE, path=f"{bucket.url}/in", data=stored(bucket)
    )
    heard = Heard()

    def progress(*_: object, **__: object) -> None:
        proxy.faults = {"GET .*in/": ["down"]}

    heard.progress = progress  # type: ignore[method-assign]
    with pytest.raises(Outage, match="cannot reach the store: tried again for") as caught:
        run(job, heard)
    assert caught.value.exit_code == 75 and "kept" in str(caught.value.hint)
    kept = records(job)
    assert kept and not (tmp_path / "out").exists()
    proxy.faults = {}
    run(job)
    whole(job)
    assert {path: records(job)[path] for path in kept} == kept, "finished parts are not made anew"


@contextmanager
def _small_disk(size: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "millrace-test", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mount is refused here: {done.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)


def _grow(path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(path)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("grows", [True, False])
def test_a_full_disk_is_waited_for_and_sets_nothing_aside(
    session: Session, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grows: bool
) -> None:
    monkeypatch.setattr(outages, "PATIENCE_SECONDS", 20.0 if grows else 1.0)
    files(tmp_path, *tables())
    with _small_disk("128k") as disk:
        (disk / "job").mkdir()
        job = write_job(tmp_path, "score", model=model, more=ASIDE)
        job.write_text(job.read_text().replace('output = "out"', f'output = "{disk}/job/out"'))
        there = disk / "job/job.toml"
        if grows:
            heard = OnWarning(lambda: _grow(disk))
            run(job, heard)
            assert len(heard.warnings) == 1 and "full" in heard.warnings[0]
        else:
            with pytest.raises(Outage, match="full") as caught:
                run(job)
            assert caught.value.exit_code == 75
            kept = records(there)
            assert kept
            _grow(disk)
            run(job)
            assert {path: records(there)[path] for path in kept} == kept
        whole(there)
