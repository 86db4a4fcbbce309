"""A cluster that others started: what it offers is asked, and it is left as it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from distributed import Client

from cluster import reaching
from cluster.elsewhere import variables
from cluster.errors import ClusterError
from cluster.resources import CORES
from cluster.security.certificates import make
from cluster.security.material import security
from cluster.session import connect, offered
from cluster.settings import SETTINGS, THREAD_VARIABLES
from cluster.spec import AddressCluster
from tests.cluster.dask_processes import scheduler, workers

MIB = 2**20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls") / "certificates"
    make(made)
    return made


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls") / "outsider"
    make(made)
    return made


@pytest.fixture(scope="module")
def office(folder: Path) -> Iterator[str]:
    """A TLS scheduler with two workers that are not alike."""
    sizes = [
        ["--nthreads", "1", "--memory-limit", "600MiB"],
        ["--nthreads", "2", "--memory-limit", "500MiB", "--no-nanny"],
    ]
    with scheduler(folder) as (address, _), workers(address, folder, sizes):
        with Client(address, security=security(folder), timeout=30) as client:
            client.wait_for_workers(2, timeout=60)
        yield address


def _spec(address: str, tls: Path | None = None) -> AddressCluster:
    return AddressCluster(kind="address", address=address, tls=tls)


def test_the_smallest_worker_counts_and_what_differs_is_told(office: str, folder: Path) -> None:
    found = offered(_spec(office, folder))
    assert (found.workers, found.threads, found.memory, found.waiting) == (2, 1, 500 * MIB, 0)
    alike, guarded, settings, variables = found.notes
    assert "1 of 1 threads and 0.59 GiB, 1 of 2 threads and 0.49 GiB" in alike
    assert "1 of 2 workers have no nanny" in guarded
    for told in (
        "scheduler.allowed-failures is 3, not 5",
        "scheduler.worker-ttl is 5 minutes, not 60 s",
        "worker.memory.pause is 0.8, not False",
    ):
        assert told in settings
    assert "terminate" not in settings  # which is what we have
    assert "POLARS_MAX_THREADS=1" in variables


def test_the_cluster_outlives_the_session(office: str, folder: Path) -> None:
    with connect(_spec(office, folder)) as session:
        kept = session.client.map(lambda x: x + 1, range(20))
        assert session.client.gather(kept) == list(range(1, 21))
        pids = session.client.run(os.getpid)
    with Client(office, security=security(folder), timeout=30) as later:
        assert later.run(os.getpid) == pids
        deadline = time.monotonic() + 20
        while held := later.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)):
            assert time.monotonic() < deadline, f"still held: {held}"
            time.sleep(0.1)


def test_an_outsider_is_refused(office: str, outsider: Path) -> None:
    with pytest.raises(ClusterError, match="has a certificate that is not good here"):
        offered(_spec(office, outsider))


def test_a_client_of_another_authority_is_refused_by_the_scheduler(
    office: str, folder: Path, outsider: Path
) -> None:
    """One who trusts this scheduler, but whom it does not trust."""
    mixed = security(outsider, ["client"])
    mixed.tls_ca_file = str(folder / "ca.pem")  # type: ignore[attr-defined]
    context = mixed.get_connection_args("client")["ssl_context"]
    with pytest.raises(ClusterError, match="refuses this certificate: TLSV1_ALERT_UNKNOWN_CA"):
        reaching.reach(urlsplit(office), context)
    with pytest.raises(OSError):
        Client(office, security=mixed, timeout=3)


def test_plain_tcp_to_a_tls_scheduler_is_refused(
    office: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "SECONDS", 1.0)
    plain = office.replace("tls://", "tcp://")
    with pytest.raises(ClusterError, match="says nothing") as caught:
        offered(_spec(plain))
    assert "give tls://" in caught.value.hint
    with pytest.raises(OSError):
        Client(plain, timeout=3)


def test_a_cluster_with_our_settings_has_nothing_to_tell() -> None:
    """What `millrace cluster certs` prints is all that it takes; kept cores are seen."""
    ours = variables() | dict.fromkeys(THREAD_VARIABLES, "1") | {CORES: "1"}
    assert "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES" in ours
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ours.items():
            patch.setenv(name, value)
        size = ["--nthreads", "2", "--memory-limit", "500MiB"]
        with scheduler(None) as (address, _), workers(address, None, [size]):
            with Client(address, timeout=30) as client:
                client.wait_for_workers(1, timeout=60)
            found = offered(_spec(address))
    assert (found.threads, found.waiting, found.notes) == (1, 1, ())
    assert SETTINGS["distributed.scheduler.allowed-failures"] == 5


def test_a_cluster_without_workers_or_without_a_bound() -> None:
    with scheduler(None) as (address, process):
        with pytest.raises(ClusterError, match="has no worker") as caught:
            offered(_spec(address))
        assert "dask worker" in caught.value.hint
        with workers(address, None, [["--nthreads", "1", "--memory-limit", "0"]]):
            with Client(address, timeout=30) as client:
                client.wait_for_workers(1, timeout=60)
            with pytest.raises(ClusterError, match="1 of 1 workers have no bound of memory"):
                offered(_spec(address))
        _frozen_is_told(address, process)


def _frozen_is_told(address: str, process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(ClusterError, match="says nothing"):
        offered(_spec(address))
    assert time.monotonic() - begun < 10
    process.send_signal(signal.SIGCONT)


def test_what_is_not_there(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClusterError, match=r"nothing listens at tls://127\.0\.0\.1"):
        offered(_spec(f"tls://127.0.0.1:{port}", folder))
    with pytest.raises(ClusterError, match="no machine is known by the name"):
        offered(_spec("tls://nowhere.invalid:8786", folder))
    with pytest.raises(ClusterError, match="there is no cluster 'office-of-nobody' here"):
        offered(_spec("office-of-nobody"))


def test_a_port_that_speaks_no_tls(folder: Path) -> None:
    with scheduler(None) as (address, _), pytest.raises(ClusterError, match="does not speak TLS"):
        offered(_spec(address.replace("tcp://", "tls://"), folder))
