"""One job through everything that may happen to it on a cluster of three hosts, behind TLS.

The hosts are network namespaces on one bridge; needs root and ``ip`` (iproute2).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from distributed import Client

from cluster.elsewhere import variables
from cluster.security.certificates import make
from cluster.security.material import security
from cluster.settings import THREAD_VARIABLES
from engine.predict.kernel import keep
from jobs.runs.state import State
from tests.jobs.driving.driven import (
    WAIT_SECONDS,
    Driven,
    driver,
    ended,
    events,
    stands,
    story,
    until,
)

NETWORK, HERE, PORT = "10.213.78", "10.213.78.1", 18786
HOSTS = ("mr-one", "mr-two", "mr-three")
BRIDGE = "mr-bridge"
SILENT = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "6 s",
    "DASK_DISTRIBUTED__WORKER__HEARTBEAT__INTERVAL": "500 ms",
}
"""A cut link is noticed after seconds, not after a minute."""

CUT_SECONDS = 10.0

pytestmark = [pytest.mark.alone, pytest.mark.slow]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def hosts() -> Iterator[dict[str, str]]:
    """Make the hosts, and yield their addresses."""
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        found = {}
        for number, name in enumerate(HOSTS, 11):
            found[name] = f"{NETWORK}.{number}"
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            stack.callback(ip, "link", "del", name)
            ip("link", "set", name, "master", BRIDGE, "up")
            for words in (
                f"addr add {found[name]}/24 dev eth0",
                "link set eth0 up",
                "link set lo up",
            ):
                ip("-n", name, *words.split())
        yield found


class Cluster:
    """A scheduler here and a worker on each host."""

    def __init__(self, certificates: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self._certificates, self._stack = certificates, stack
        threads = dict.fromkeys(THREAD_VARIABLES, "1")
        self._environment = {**environment, **variables(), **threads, **SILENT}

    def scheduler(self) -> None:
        self._start("scheduler", "--host", HERE, "--port", str(PORT), *self._tls("scheduler"))

    def worker(self, host: str, address: str, folder: Path) -> None:
        self._start(
            "worker", f"tls://{HERE}:{PORT}", "--host", address, "--nthreads", "1",
            "--memory-limit", "1200MiB", "--name", host, "--local-directory", str(folder),
            *self._tls("worker"), inside=("ip", "netns", "exec", host),
        )  # fmt: skip

    def _tls(self, role: str) -> list[str]:
        files = {"ca-file": "ca", "cert": role, "key": f"{role}-key"}
        pairs = (
            (f"--tls-{name}", self._certificates / f"{file}.pem") for name, file in files.items()
        )
        return [str(word) for pair in pairs for word in pair]

    def _start(self, role: str, *words: str, inside: tuple[str, ...] = ()) -> None:
        log = (self._certificates.parent / "dask.log").open("ab")
        process = subprocess.Popen(
            [
                *inside,
                sys.executable,
                "-m",
                f"distributed.cli.dask_{role}",
                *words,
                "--no-dashboard",
                "--dashboard-address",
                "127.0.0.1:0",
            ],
            env=self._environment,
            stdout=log,
            stderr=log,
        )
        log.close()
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)


def host_of(pid: int) -> str:
    """Return the namespace that a process is in."""
    told = subprocess.run(["ip", "netns", "identify", str(pid)], capture_output=True, text=True)
    return told.stdout.strip()


@pytest.fixture
def addresses() -> Iterator[dict[str, str]]:
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    with ExitStack() as stack:
        try:
            found = stack.enter_context(hosts())
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces: {error.stderr}")
        yield found


@pytest.mark.timeout(900)
def test_a_job_survives_a_scripted_session(tmp_path: Path, addresses: dict[str, str]) -> None:
    keep()
    certificates = tmp_path / "certificates"
    make(certificates)
    address = f'kind = "address"\naddress = "tls://{HERE}:{PORT}"\ntls = "{certificates}"'
    driven = Driven.write(tmp_path / "job", address)
    scratch = tmp_path / "scratch"
    with ended(driven), ExitStack() as stack:
        cluster = Cluster(certificates, driven.environment, stack)
        cluster.scheduler()
        for host, own in addresses.items():
            cluster.worker(host, own, scratch / host)
        with Client(f"tls://{HERE}:{PORT}", security=security(certificates)) as client:
            client.wait_for_workers(3, timeout=WAIT_SECONDS)

        # Submitted; the client is gone, and the driver is on a host of the cluster.
        driven.train()
        run = driven.submit()
        stands(run, State.RUNNING)
        first = driver(run)
        home = host_of(first)
        assert home in HOSTS

        # The worker that hosts the driver is killed: another driver goes on.
        until(lambda: len(driven.parts()) >= 3, "parts")
        worker = psutil.Process(first).parent()
        assert worker is not None
        worker.kill()
        until(lambda: not psutil.pid_exists(first), "the driver to die with its worker", 10)
        driven.score(6)  # Dask cannot end what the other workers have begun: that is staged late
        stands(run, State.RUNNING)
        second = driver(run)
        assert second != first
        done = driven.parts()

        # The link of a worker that hosts no driver is cut while it holds a part, and comes back.
        other = next(host for host in HOSTS if host != host_of(second))
        before = sum(driven.computed().values())
        until(lambda: sum(driven.computed().values()) >= before + 2, "parts under way")
        ip("link", "set", other, "down")
        time.sleep(CUT_SECONDS)
        ip("link", "set", other, "up")

        # Cancelled by a process that reaches the run store alone.
        alone = ["unshare", "--net", sys.executable, "-m", "jobs.cli", "cancel", run.id]
        for _ in range(2):
            told = subprocess.run(
                alone, cwd=driven.folder, env=driven.environment, capture_output=True, text=True
            )
            assert told.returncode == 0, told.stderr
        assert stands(run, State.CANCELLED, State.SUCCEEDED, State.FAILED) == State.CANCELLED
        assert events(run, "ended")[-1].fields["code"] == 130

        # Resumed: what was under way may still be written, by workers that hear of nothing.
        driven.score()
        driven.millrace("resume", run.id, "--detach")
        assert stands(run, State.SUCCEEDED, State.FAILED, State.LOST) == State.SUCCEEDED, story(run)
        files = driven.predictions()
        driven.assert_each_row_once()
        assert {driven.computed()[part] for part in done} == {1}, "done before, computed again"
        assert not list(scratch.rglob("millrace-bins/*")), "binned rows of the training"
        assert files == driven.undisturbed()
        assert driven.predictions() == files, "nobody has written since"
    until(lambda: not driven.processes(), "all to end", 30)
