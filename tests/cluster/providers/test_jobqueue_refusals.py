"""What a queue says when it refuses a job reaches the user; nothing is left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from cluster import ClusterError, ClusterSpec, connect

SUBMITS = {
    "slurm": "sbatch",
    "pbs": "qsub",
    "lsf": "bsub",
    "sge": "qsub",
    "htcondor": "condor_submit",
}


def made(kind: str, shared: Path, **given: object) -> Any:
    base = {"kind": kind, "workers": 1, "memory": "1 GiB", "address": "127.0.0.1"}
    return TypeAdapter(ClusterSpec).validate_python(base | {"shared": str(shared)} | given)


@pytest.mark.parametrize("kind", SUBMITS)
def test_a_refusal_is_told(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / SUBMITS[kind]
    command.write_text("#!/bin/sh\necho no such account >&2\nexit 3\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    shared = tmp_path / "shared"
    with (
        pytest.raises(ClusterError, match=r"the queue refused a worker: no such account$") as error,
        connect(made(kind, shared, account="nobody")),
    ):
        pass
    assert '`account = "nobody"`' in error.value.hint
    assert list(shared.iterdir()) == []


def test_a_machine_without_the_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ClusterError, match="needs the command condor_submit") as error,
        connect(made("htcondor", tmp_path / "shared")),
    ):
        pass
    assert "from which jobs can be submitted" in error.value.hint


def test_an_address_that_this_machine_lacks(tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterError, match="the scheduler did not start") as error,
        connect(made("slurm", tmp_path / "shared", address="198.51.100.7")),
    ):
        pass
    assert "`address`" in error.value.hint
