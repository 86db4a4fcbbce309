"""What `millrace doctor` looks at, and what it prints."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.preflight.machine import this_machine
from cluster.preflight.needs import Needs
from cluster.preflight.verdict import Status, Verdict
from cluster.session import examined
from cluster.spec import ClusterSpec
from jobs.planning.needs import needs_of
from jobs.spec.jobfile import load_cluster, load_job


def machine() -> dict[str, Any]:
    """Return what is found on this machine, as JSON values."""
    return _told("this machine", this_machine())


def cluster(file: Path) -> dict[str, Any]:
    """Return what is found on a cluster, as JSON values.

    Args:
        file: A job file, whose folders are tried too, or one with the section [cluster] alone.

    Raises:
        JobFileError: The file has problems.
    """
    spec, needs = _wanted(file)
    try:
        verdicts = examined(spec, needs)
    except ClusterError as error:
        verdicts = [Verdict("cluster", Status.REFUSED, error.what, error.hint)]
    return _told(f"the {spec.kind} cluster of {file}", verdicts)


def _wanted(file: Path) -> tuple[ClusterSpec, Needs]:
    if _is_job(file):
        job = load_job(file)
        return job.cluster, needs_of(job)
    # Of a cluster without a job nobody knows whether it is to train: look at all that can be.
    return load_cluster(file), Needs(training=True)


def _is_job(file: Path) -> bool:
    try:
        return set(tomllib.loads(file.read_text())) > {"cluster"}
    except (OSError, ValueError):
        return False  # said in words when it is loaded


def _told(what: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    fit = all(verdict.status is not Status.REFUSED for verdict in verdicts)
    return {"what": what, "fit": fit, "checks": [verdict.to_dict() for verdict in verdicts]}


def doctor_text(found: Mapping[str, Any]) -> str:
    """Write what was found for a person: a line for each check, more where something is wrong.

    Args:
        found: What `machine` or `cluster` returned.
    """
    lines = [line for check in found["checks"] for line in _lines(check)]
    counts = {
        status: sum(check["status"] == status for check in found["checks"])
        for status in ("refused", "note")
    }
    noted = f", {counts['note']} to know of" if counts["note"] else ""
    end = f"{found['what']} is fit{noted}"
    if not found["fit"]:
        end = f"{found['what']} is not fit: {counts['refused']} refused{noted}"
    return "\n".join([*lines, "", end])


def _lines(check: Mapping[str, Any]) -> Iterator[str]:
    workers = check["workers"]
    several = len(workers) > 1
    what = f"{len(workers)} of them" if several else check["what"]
    first, *more = what.splitlines()
    yield f"{check['status']:<8} {check['name']:<13} {first}"
    indent = " " * 10
    yield from (f"{indent}{line.strip()}" for line in more)
    if several:
        width = max(map(len, workers))
        yield from (f"{indent}{worker:<{width}}  {text}" for worker, text in workers.items())
    if check["hint"]:
        yield f"{indent}-> {check['hint']}"
