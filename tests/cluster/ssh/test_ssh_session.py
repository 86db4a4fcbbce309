"""Workers over SSH on hosts of their own, and what is said of hosts that cannot be had.

The one test of SSH that `make test` runs; all others are `long`, and `make test-ssh` runs them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import dask
import pytest
import ssh_hosts

from cluster import ClusterError, connect
from cluster.spec import SshCluster


def spec(made: ssh_hosts.Hosts, **changes: Any) -> SshCluster:
    given = {
        "kind": "ssh",
        "hosts": made.texts,
        "workers": 2,
        "memory": "500 MiB",
        "identity": made.identity,
        "known_hosts": made.known_hosts,
    }
    return SshCluster.model_validate(given | changes)


def refusal(asked: SshCluster) -> ClusterError:
    with pytest.raises(ClusterError) as caught, connect(asked):
        pass
    return caught.value


def listening(name: str) -> list[str]:
    command = ["ip", "netns", "exec", name, "ss", "-Hltn"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split()[3].rpartition(":")[0] for line in lines.splitlines()]


def test_a_session(two_hosts: ssh_hosts.Hosts) -> None:
    variables, folders = dict(os.environ), set(two_hosts.scratch.iterdir())
    with connect(spec(two_hosts)) as session:
        assert session.resources.workers == 2 and session.dashboard is None
        workers = session.client.scheduler_info(n_workers=-1)["workers"]
        machines = {machine.address for machine in two_hosts.machines}
        assert {worker["host"] for worker in workers.values()} == machines
        assert all(address.startswith("tls://") for address in workers)
        assert [w["nthreads"] for w in workers.values()] == [1, 1]
        assert [w["memory_limit"] for w in workers.values()] == [500 * 2**20] * 2
        found = session.client.run(os.getenv, "POLARS_MAX_THREADS")
        assert list(found.values()) == ["1", "1"]
        found = session.client.run(dask.config.get, "distributed.worker.memory.terminate")
        assert list(found.values()) == [0.95, 0.95]
        for machine in two_hosts.machines:
            assert set(listening(machine.name)) == {"127.0.0.1", machine.address}
        # Keys are in memory only: not in a file, not on a command line.
        own = set(two_hosts.scratch.iterdir()) - folders
        files = [file for folder in own for file in folder.rglob("*") if file.is_file()]
        assert len(own) == 2
        assert not any(b"PRIVATE KEY" in file.read_bytes() for file in files)
        lines = [word for process in two_hosts.processes() for word in process.cmdline()]
        assert lines and not any("PRIVATE" in word for word in lines)
    assert two_hosts.empty(seconds=0) == []
    assert set(two_hosts.scratch.iterdir()) == folders
    assert dict(os.environ) == variables


def test_an_unknown_host_key(two_hosts: ssh_hosts.Hosts, tmp_path: Path) -> None:
    known = tmp_path / "known hosts"
    known.write_text(two_hosts.known_hosts.read_text().splitlines()[0] + "\n")
    error = refusal(spec(two_hosts, known_hosts=known))
    [first, second] = two_hosts.texts
    assert f"host {second}: its host key is not the one in {known}" in error.what
    assert first not in error.what
    assert "ssh -p 2222" in error.hint and f"-o 'UserKnownHostsFile={known}'" in error.hint
    assert two_hosts.empty(seconds=2) == []
    assert len(known.read_text().splitlines()) == 1, "nothing is accepted silently"


def test_a_wrong_key(two_hosts: ssh_hosts.Hosts, tmp_path: Path) -> None:
    ssh_hosts.key(tmp_path / "other")
    error = refusal(spec(two_hosts, identity=tmp_path / "other"))
    for text in two_hosts.texts:
        assert f"host {text}: authentication failed" in error.what
    assert "must work without a password" in error.hint


def test_a_host_that_is_not_there(two_hosts: ssh_hosts.Hosts) -> None:
    nobody = f"{ssh_hosts.HERE}:1"  # this machine lives, and nothing listens there
    error = refusal(spec(two_hosts, hosts=[*two_hosts.texts[:1], nobody]))
    assert error.what.startswith(f"host {nobody}: cannot connect: ")
    assert two_hosts.texts[0] not in error.what


def test_no_python_there(two_hosts: ssh_hosts.Hosts) -> None:
    error = refusal(spec(two_hosts, python="/opt/no such/python"))
    assert f"host {two_hosts.texts[0]}: no Python at /opt/no such/python" in error.what
    assert "`python` in [cluster]" in error.hint
    assert two_hosts.empty(seconds=2) == []


def test_what_ends_at_its_start_is_told_with_its_last_words(
    two_hosts: ssh_hosts.Hosts, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho hello from the login shell\necho no libfoo >&2\nexit 3\n")
    python.chmod(0o755)
    error = refusal(spec(two_hosts, python=str(python)))
    assert f"host {two_hosts.texts[0]}: its workers died at their start" in error.what
    assert "(last said: no libfoo)" in error.what
