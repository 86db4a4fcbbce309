"""Sessions on a real SLURM: a full queue, a short walltime, growing and shrinking, TLS."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, Lock
from distributed.utils import get_ip

from cluster import ClusterError, connect
from cluster.providers import growth
from cluster.resources import pin
from cluster.spec import SlurmCluster
from engine.plan import Partition
from engine.tasks.execute import over_partitions
from tests.cluster.slurm.demo import ROOT
from tests.cluster.slurm.queueing import Slurm, until

pytestmark = [pytest.mark.long, pytest.mark.alone]


@pytest.fixture(autouse=True)
def _commands(slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])


def spec(folder: Path, **given: Any) -> SlurmCluster:
    return SlurmCluster(
        **{
            "kind": "slurm",
            "workers": 2,
            "memory": "400 MiB",
            "wait": "2 minutes",
            "shared": folder / "shared",
            "prologue": [f"export PYTHONPATH={ROOT}"],
        }
        | given
    )


def nap(seconds: float, partition: Partition) -> int:
    time.sleep(seconds)
    return partition.index


def partitions(count: int) -> list[Partition]:
    return [Partition(index, (), 1, 1, 0, 0) for index in range(count)]


def passed(client: Client, count: int, seconds: float, threads: int) -> Sequence[int]:
    """Return the partitions of a pass that takes a while, as it handed them back."""
    done = over_partitions(client, nap, seconds, partitions(count), threads=threads)
    return sorted(each.partition.index for each in done)


def known(client: Client) -> set[str]:
    return set(client.scheduler_info(n_workers=-1)["workers"])


def test_a_full_queue_is_waited_for_and_told_of(
    slurm: Slurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("cluster.providers.jobqueue.TELL_SECONDS", 2.0)
    blocker = ("--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")
    slurm.command("sbatch", *blocker)
    [full] = slurm.jobs()
    assert until(lambda: slurm.jobs("RUNNING") == [full], 30)
    with (
        pytest.raises(ClusterError, match="0 of 2 workers run after 4 seconds") as refused,
        connect(spec(tmp_path, wait="4 seconds")),
    ):
        pass
    assert "`squeue --jobs " in refused.value.hint
    assert "raise `wait`" in refused.value.hint
    assert until(lambda: slurm.jobs() == [full], 30)
    threading.Timer(5, slurm.command, ("scancel", full)).start()
    with connect(spec(tmp_path)) as session:
        assert len(known(session.client)) == 2
    assert any("waiting for the queue" in record.message for record in caplog.records)
    assert slurm.empty()


def test_work_outlives_the_walltime(slurm: Slurm, tmp_path: Path) -> None:
    """SLURM ends the workers after a minute; others take their place."""
    with connect(spec(tmp_path, walltime="1 minute", workers=1)) as session:
        first = slurm.jobs()
        began = time.monotonic()
        assert passed(session.client, 45, 2.0, 1) == list(range(45))
        assert time.monotonic() - began > 90
        assert not set(slurm.jobs("RUNNING")) & set(first)
    assert slurm.empty()


def test_workers_come_while_work_waits_and_go_when_it_is_done(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "LOOK_SECONDS", 1.0)
    monkeypatch.setattr(growth, "GROW_SECONDS", 3.0)
    monkeypatch.setattr(growth, "IDLE_LOOKS", 3)
    with connect(spec(tmp_path, workers=1, most=3)) as session:
        client = session.client
        assert session.resources.slots == 3
        kept = client.map(lambda number: number, range(30), pure=False)
        assert passed(client, 60, 0.5, session.resources.slots) == list(range(60))
        assert len(known(client)) == 3
        # A training holds its workers; one that it holds is not given back, though it idles.
        held = sorted(known(client))[1:]
        locks = [Lock(pin(worker), client.scheduler, client.loop) for worker in held]
        assert all(lock.acquire(timeout="2 s") for lock in locks)
        assert until(lambda: len(known(client)) == 2, 60)
        time.sleep(6)
        assert known(client) == set(held)
        for lock in locks:
            lock.release()
        assert until(lambda: len(known(client)) == 1, 60)
        assert client.gather(kept) == list(range(30))
        assert until(lambda: len(slurm.jobs()) == 1, 30)
    assert slurm.empty()


def test_a_queue_that_refuses_the_place_of_a_lost_job_is_asked_again(
    slurm: Slurm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(growth, "LOOK_SECONDS", 1.0)
    with connect(spec(tmp_path)) as session:
        slurm.command("scontrol", "update", "PartitionName=main", "State=INACTIVE")
        try:
            slurm.command("scancel", slurm.jobs()[0])
            refused = "the queue refuses more workers"
            assert until(lambda: refused in caplog.text, 60)
            assert len(slurm.jobs()) == 1
        finally:
            slurm.command("scontrol", "update", "PartitionName=main", "State=UP")
        assert until(lambda: len(known(session.client)) == 2, 60)
    assert slurm.empty()


def test_what_listens_beyond_loopback_wants_a_certificate(slurm: Slurm, tmp_path: Path) -> None:
    with connect(spec(tmp_path)) as session:
        nannies = [psutil.Process(pid) for pid in session.client.run(os.getppid).values()]
        workers = [psutil.Process(pid) for pid in session.client.run(os.getpid).values()]
        ports = {
            each.laddr.port
            for process in (psutil.Process(), *nannies, *workers)
            for each in process.net_connections("inet")
            if each.status == psutil.CONN_LISTEN and each.laddr.ip not in ("127.0.0.1", "::1")
        }
        assert len(ports) == 5  # the scheduler, two nannies, two workers
        assert all(map(_refuses_strangers, ports))
        assert session.dashboard is None


def _refuses_strangers(port: int) -> bool:
    """Tell whether a port speaks TLS, and ends the connection of who has no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((get_ip(), port), 5) as plain,
            context.wrap_socket(plain) as secured,
        ):
            return secured.recv(1) == b""
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in str(error)
