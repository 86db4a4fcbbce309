"""The check of memory: what the plan counts on, what a worker keeps to, what its machine has."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict
from cluster.resources import machine_memory


def limits(server: Any) -> dict[str, Any]:
    """Return the bytes that this worker may use, by its own limit and by its machine's.

    Args:
        server: The Dask worker.
    """
    return {
        "host": socket.gethostname(),
        "limit": server.memory_manager.memory_limit or 0,
        "machine": machine_memory(),
    }


async def checked(asking: Asking, planned: int) -> Verdict:
    """Look at the memory limits of all workers.

    Args:
        asking: The workers.
        planned: Bytes of one worker that the plan counts on.
    """
    answers = await asking.all(limits)
    return verdict(answers.found, planned, answers.silent)


def verdict(found: Mapping[str, dict[str, Any]], planned: int, silent: list[Finding]) -> Verdict:
    """Judge memory limits.

    Args:
        found: What `limits` said, by worker.
        planned: Bytes of one worker that the plan counts on.
        silent: Who did not answer.
    """
    findings = list(silent)
    for worker, there in found.items():
        limit, machine = there["limit"], there["machine"]
        if machine < planned:
            text = f"its machine or container has {_gib(machine)}, the plan counts on"
            findings.append(Finding(worker, f"{text} {_gib(planned)}"))
        elif limit and limit < planned:
            text = f"is ended at {_gib(limit)}, the plan counts on {_gib(planned)}"
            findings.append(Finding(worker, text))
        elif limit > machine:
            text = f"its limit of {_gib(limit)} is more than the {_gib(machine)} there are"
            findings.append(Finding(worker, text, refused=False))
        elif not limit:
            text = "has no limit: what goes wrong there takes the whole machine"
            findings.append(Finding(worker, text, refused=False))
    findings += _crowded(found, planned)
    hint = (
        "set `memory` in [cluster] to what a worker may use; start the workers with "
        "`--memory-limit` below what their machine or container has"
    )
    return Verdict.of("memory", findings, fine=f"{_gib(planned)} for each worker", hint=hint)


def _crowded(found: Mapping[str, dict[str, Any]], planned: int) -> list[Finding]:
    """Find hosts whose workers together may use more than there is.

    Two containers may have the same host name and a limit each, so it is no more than a note.
    """
    hosts: dict[tuple[str, int], list[str]] = {}
    for worker, there in found.items():
        hosts.setdefault((there["host"], there["machine"]), []).append(worker)
    return [
        Finding(
            workers[0],
            f"{len(workers)} workers on {host} may use {_gib(len(workers) * planned)} together, "
            f"it has {_gib(machine)}",
            refused=False,
        )
        for (host, machine), workers in hosts.items()
        if planned <= machine < len(workers) * planned
    ]


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
