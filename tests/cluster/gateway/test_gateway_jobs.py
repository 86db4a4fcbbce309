"""Jobs on clusters of a real gateway server, from the command line, to their last row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.gateway.gateways import PASSWORD, ROOT, Server, running
from tests.jobs.input_jobs import files, ledger, scored, table, trained, write_job

pytestmark = [pytest.mark.long, pytest.mark.alone]
PARTS, ROWS = 24, 500


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("gateway")) as started:
        yield started


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("model"))


def job(server: Server, folder: Path, *sections: str, cluster: str, model: Path | None) -> Path:
    """Write a job over many files whose cluster is the gateway's."""
    files(folder, *(table(ROWS, ROWS * number) for number in range(PARTS)))
    file = write_job(folder, *sections, model=model)
    fields = {**server.fields, "memory": str(server.fields["memory"])}
    lines = "\n".join(f'{name} = "{value}"' for name, value in fields.items())
    text = file.read_text().replace('workers = 1\nmemory = "1 GiB"', f"{lines}\n{cluster}")
    assert "gateway" in text
    file.write_text(text)
    return file


def started(job: Path, password: str = PASSWORD) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "run", job, "--store", job.parent / "runs"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MILLRACE_SECRET_GATEWAY_PASSWORD": password},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def whole(job: Path) -> bool:
    """Whether each row of the input has its one prediction."""
    assert sum(counts[1] for counts in ledger(job).values()) == PARTS * ROWS
    return scored(job)["id"].sort().to_list() == list(range(PARTS * ROWS))


EVENTS = "runs/*/events.jsonl"


def frozen_while_scoring(server: Server, job: Path, process: subprocess.Popen[str]) -> None:
    """Stop the worker as soon as scoring is told to begin: the cluster was looked at before."""
    end = time.monotonic() + 90
    begun = b"millrace.step.started"
    while not any(begun in told.read_bytes() for told in job.parent.glob(EVENTS)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    for child in server.children():
        line = " ".join(child.cmdline())
        if "dask_worker" in line or "spawn_main" in line:
            child.send_signal(signal.SIGSTOP)
    assert not list(job.parent.glob("out.millrace/runs/*/parts/*"))


def thawed(server: Server) -> None:
    for child in server.children():
        child.send_signal(signal.SIGCONT)


def test_a_job_trains_and_scores(server: Server, tmp_path: Path) -> None:
    file = job(server, tmp_path, "train", "score", cluster="workers = 1\nmost = 2", model=None)
    process = started(file)
    _, messages = process.communicate(timeout=250)
    assert process.returncode == 0, messages
    assert whole(file)
    assert server.gone()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in written)
    assert PASSWORD not in messages


def test_a_cluster_that_is_stopped_while_scoring(
    server: Server, tmp_path: Path, model: Path
) -> None:
    file = job(server, tmp_path, "score", cluster="workers = 1", model=model)
    process = started(file)
    frozen_while_scoring(server, file, process)
    stopped_from_outside(server)
    _, messages = process.communicate(timeout=250)
    assert process.returncode == 0, messages
    assert "The cluster was lost" in messages and "Traceback" not in messages
    assert whole(file)
    thawed(server)
    assert server.gone()


def stopped_from_outside(server: Server) -> None:
    """Have the one cluster stopped by another process: dask-gateway's client keeps its loop."""
    code = (
        "import sys; from dask_gateway import BasicAuth, Gateway\n"
        "gateway = Gateway(sys.argv[1], sys.argv[2], auth=BasicAuth(None, sys.argv[3]))\n"
        "(report,) = gateway.list_clusters()\n"
        "gateway.stop_cluster(report.name)\n"
    )
    where = (server.fields["address"], server.fields["proxy_address"], PASSWORD)
    subprocess.run([sys.executable, "-c", code, *where], check=True, timeout=60)


def test_ctrl_c_ends_the_cluster(server: Server, tmp_path: Path, model: Path) -> None:
    file = job(server, tmp_path, "score", cluster="workers = 1", model=model)
    process = started(file)
    frozen_while_scoring(server, file, process)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    thawed(server)
    _, messages = process.communicate(timeout=250)
    assert process.returncode == 130, messages
    assert server.gone()
