"""Clusters that stay up: started, used by a job, looked at and ended, all on the command line."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from cluster.security.material import security
from tests.jobs.input_jobs import files, scored, table, write_job
from tests.jobs.sockets import needs_ss, watching

ROOT = Path(__file__).parents[2]
LOOPBACK = {"127.0.0.1"}

SECTION = """
[cluster]
workers = 2
memory = "1 GiB"
"""
ATTACHED = """
[cluster]
kind = "address"
address = "office"
"""


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}


def millrace(home: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command; clusters that stay up are below ``home``."""
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *map(str, words)],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
    )


def status(home: Path, name: str) -> dict[str, Any]:
    done = millrace(home, "cluster", "status", name, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a cluster ``office`` of two workers that stays up."""
    place = tmp_path_factory.mktemp("home")
    (place / "two.toml").write_text(SECTION)
    try:
        done = millrace(place, "cluster", "up", "two.toml", "--name", "office")
        assert done.returncode == 0, done.stderr
        assert 'address = "office"' in done.stdout
        yield place
    finally:
        millrace(place, "cluster", "down", "office")


def _job(folder: Path, cluster: str = ATTACHED) -> Path:
    files(folder, table(400), table(400, 400))
    job = write_job(folder, "train", "score")
    text, given = job.read_text(), '[cluster]\nworkers = 1\nmemory = "1 GiB"\n'
    assert given in text
    job.write_text(text.replace(given, cluster.lstrip()))
    return job


@pytest.mark.slow
@needs_ss
def test_a_job_runs_on_it_and_leaves_it_running(home: Path, tmp_path: Path) -> None:
    before = status(home, "office")
    with watching(before["pid"]) as listening:
        done = millrace(home, "run", _job(tmp_path), "--store", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    assert scored(tmp_path / "job.toml").height == 800
    assert "other settings" not in done.stderr  # it is a cluster of ours
    assert status(home, "office") == before
    assert listening.looks > 20
    assert listening.by("engine.boosting.rank.process"), "two ranks trained"
    assert listening.addresses == LOOPBACK


def test_what_it_offers(home: Path) -> None:
    found = status(home, "office")
    sizes = {name: found[name] for name in ("state", "kind", "workers", "threads", "memory")}
    assert sizes == {"state": "up", "kind": "local", "workers": 2, "threads": 1, "memory": 2**30}
    assert found["notes"] == []
    listed = json.loads(millrace(home, "cluster", "status", "--json").stdout)
    assert [(one["name"], one["state"]) for one in listed] == [("office", "up")]
    shown = millrace(home, "cluster", "status", "office").stdout
    assert "2, 1 thread and 1.00 GiB each" in shown


def test_its_files_are_its_owners(home: Path) -> None:
    folder = home / ".millrace/clusters/office"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.name.endswith("-key.pem")} == {0o600}
    assert not list(folder.rglob("ca-key.pem"))
    held = [path for path in modes if path.is_file() and "PRIVATE KEY" in path.read_text()]
    assert all(path.name.endswith("-key.pem") for path in held)


def test_other_users_of_the_machine_are_kept_out(home: Path) -> None:
    address = status(home, "office")["address"]
    assert address.startswith("tls://127.0.0.1:")
    with pytest.raises(OSError):
        Client(address.replace("tls://", "tcp://"), timeout=3)
    with Client(address, security=security(home / ".millrace/clusters/office/client", ["client"])):
        pass


def test_a_second_one_of_that_name(home: Path) -> None:
    done = millrace(home, "cluster", "up", "two.toml", "--name", "office")
    assert done.returncode == 2
    assert "there is a cluster 'office' already" in done.stderr
    assert status(home, "office")["state"] == "up"


@pytest.mark.parametrize(
    ("section", "code", "told"),
    [
        ('[cluster]\nworkers = 1\nmemory = "900 TiB"', 2, "need more memory"),
        ('[cluster]\nkind = "address"\naddress = "office"', 2, "runs already"),
        (
            "[cluster]\nworker = 1",
            2,
            "line 2, cluster.worker: unknown key; did you mean 'workers'?",
        ),
        ("[data]", 2, "cluster: is required"),
    ],
)
def test_one_that_does_not_start(tmp_path: Path, section: str, code: int, told: str) -> None:
    (tmp_path / "c.toml").write_text(section)
    done = millrace(tmp_path, "cluster", "up", "c.toml")
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert told in done.stderr
    keys = (
        list((tmp_path / ".millrace").rglob("*-key.pem"))
        if (tmp_path / ".millrace").exists()
        else []
    )
    assert keys == []


@pytest.mark.parametrize("name", ["../up", "a b", ".x", ""])
def test_a_name_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "c.toml").write_text(SECTION)
    done = millrace(tmp_path, "cluster", "up", "c.toml", "--name", name or " ")
    assert done.returncode == 2 and "cannot be the name of a cluster" in done.stderr


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    for verb in ("down", "status"):
        done = millrace(tmp_path, "cluster", verb, "nobody")
        assert done.returncode == 2 and "there is no cluster 'nobody'" in done.stderr
    assert "no cluster stays up here" in millrace(tmp_path, "cluster", "status").stdout


@pytest.mark.slow
def test_a_keeper_that_is_killed_is_told_and_cleared_away(tmp_path: Path) -> None:
    one = SECTION.replace("workers = 2", "workers = 1")
    (tmp_path / "office.toml").write_text(one)
    assert millrace(tmp_path, "cluster", "up", "office.toml").returncode == 0
    pid = status(tmp_path, "office")["pid"]
    family = _family(pid)
    assert len(family) > 1
    os.kill(pid, signal.SIGKILL)
    assert _gone(family), "workers end with their keeper"
    assert status(tmp_path, "office")["state"] == "dead"
    done = millrace(tmp_path, "run", _job(tmp_path / "job"), "--store", tmp_path / "runs")
    assert done.returncode == 2 and "its keeper" in done.stderr
    assert millrace(tmp_path, "cluster", "up", "office.toml").returncode == 0
    family = _family(status(tmp_path, "office")["pid"])
    done = millrace(tmp_path, "cluster", "down", "office")
    assert (done.returncode, done.stdout) == (0, "office ended\n")
    assert _gone(family)
    assert list((tmp_path / ".millrace/clusters").iterdir()) == []


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _gone(family: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
@needs_ss
def test_a_local_run_listens_on_loopback_only(tmp_path: Path) -> None:
    """All that `ss -ltn` shows of the command and its processes, while two ranks train too."""
    job = _job(tmp_path, SECTION)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "run", str(job), "--store", str(tmp_path / "runs")],
        env=environment(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with watching(process.pid) as listening:
        assert process.wait() == 0
    assert listening.looks > 20
    assert listening.by("engine.boosting.rank.process")
    assert listening.addresses == LOOPBACK
