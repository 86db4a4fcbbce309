"""The check of thread pools: libraries that start a thread for each core of the machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict
from cluster.settings import THREAD_VARIABLES


def pools(server: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the threads of this worker, and what its libraries were told.

    Args:
        server: The Dask worker.
        names: Variables to look at.
    """
    told = {name: os.environ.get(name) for name in names}
    return {"threads": server.state.nthreads, "cores": os.cpu_count() or 1, "told": told}


async def checked(asking: Asking) -> Verdict:
    """Look at the thread pools of all workers.

    Args:
        asking: The workers.
    """
    answers = await asking.all(pools, THREAD_VARIABLES)
    return verdict(answers.found, answers.silent)


def verdict(found: Mapping[str, dict[str, Any]], silent: list[Finding]) -> Verdict:
    """Judge thread pools: each thread of a worker computes with a pool of each library.

    Args:
        found: What `pools` said, by worker.
        silent: Who did not answer.
    """
    findings = list(silent)
    for worker, there in found.items():
        unset = [name for name, value in there["told"].items() if not value]
        if unset and there["cores"] > there["threads"]:
            text = f"{', '.join(unset)} not set: {there['cores']} threads for a worker of "
            findings.append(Finding(worker, f"{text}{there['threads']}", refused=False))
    most = max((there["threads"] for there in found.values()), default=1)
    setting = " ".join(f"{name}={most}" for name in THREAD_VARIABLES)
    hint = f"slower, not wrong: start the workers with {setting}"
    return Verdict.of("thread pools", findings, fine="sized to the workers", hint=hint)
