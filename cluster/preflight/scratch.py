"""The check of the workers' own disks, where training keeps its blocks and sorting its runs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

PROBE = 1 << 20
"""Bytes that are written to see that it works: quotas do not show in what a disk says is free."""

LEAST = 64 << 20
"""Bytes without which nothing runs: millrace unpacked (4 MiB) and what a task writes beside it."""

LITTLE = 1 << 30
"""Bytes under which it is told: a training of ten million rows and 50 features keeps half of it."""


def measured(server: Any) -> dict[str, Any]:
    """Write to the folder of this worker, and return how much more would fit.

    Args:
        server: The Dask worker.
    """
    folder = server.local_directory
    found: dict[str, Any] = {"folder": folder, "free": 0, "error": ""}
    try:
        found["free"] = shutil.disk_usage(folder).free
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found["error"] = error.strerror or str(error)
    return found


async def checked(asking: Asking, needed: int) -> Verdict:
    """Look at the disks of all workers.

    Args:
        asking: The workers.
        needed: Bytes that a worker will hold there.
    """
    answers = await asking.all(measured)
    return verdict(answers.found, needed, answers.silent)


def verdict(found: Mapping[str, dict[str, Any]], needed: int, silent: list[Finding]) -> Verdict:
    """Judge free space. Workers that share a disk are not added up: they may share its blocks too.

    Args:
        found: What `measured` said, by worker.
        needed: Bytes that a worker will hold there.
        silent: Who did not answer.
    """
    findings = list(silent)
    for worker, there in found.items():
        folder, free = there["folder"], there["free"]
        if there["error"]:
            findings.append(Finding(worker, f"cannot write to {folder}: {there['error']}"))
        elif free < max(needed, LEAST):
            text = f"{_mib(free)} free in {folder}, {_mib(max(needed, LEAST))} are needed"
            findings.append(Finding(worker, text))
        elif free < LITTLE:
            findings.append(Finding(worker, f"{_mib(free)} free in {folder}", refused=False))
    least = min((there["free"] for there in found.values()), default=0)
    hint = "make room there, or start the workers with `--local-directory` on a larger disk"
    return Verdict.of("scratch", findings, fine=f"{_mib(least)} free or more", hint=hint)


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
