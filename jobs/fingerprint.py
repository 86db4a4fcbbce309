"""Whether a section has to run again: digests of all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from jobs.spec.job import JobSpec
from jobs.work.preparing import Preparation
from jobs.work.profiling import Profiling
from jobs.work.scoring import Scoring
from jobs.work.section import there
from jobs.work.sorting import Sorting
from jobs.work.training import Training

DECIDING = ("polars", "pyarrow", "lightgbm", "numpy")
"""Libraries whose version may change a bit of a result."""


def versions() -> dict[str, str]:
    """Return the versions of millrace and of the libraries that decide results."""
    found = {}
    for name in ("millrace", *DECIDING):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def training_digest(job: JobSpec, training: Training) -> str:
    """Return the digest of data, features, training section and versions.

    Where the model is stored, the size of the cluster and how the work is done are left out: they
    do not change what was asked for.
    """
    spec = there(job.train).to_dict()  # that of ``training`` has what was found by [tune]
    for name in ("model", "max_memory", "keep_bins", "restarts"):
        spec.pop(name)
    spec["init"] = _base(training)
    for name, one in training.borrowed.items():
        spec["members"][name]["model"] = one.bundle.digest
    features = job.features.to_dict() if job.features else None
    after = [one.to_dict() if one else None for one in (job.evaluate, job.explain, job.tune)]
    data = job.data[training.spec.data].to_dict()
    return digest([training.dataset.fingerprint(), data, features, spec, *after, versions()])


def _base(training: Training) -> str | None:
    """Return what stands for the model that training goes on from.

    A job that goes on from the newest version of its own model makes the next newest. It has
    nothing to do until the data or the section change: so that version is not looked at.
    """
    spec = training.spec
    if training.base is None or spec.init == f"{spec.model}@latest":
        return spec.init
    return training.base.bundle.digest


def checkpoint_digest(job: JobSpec, training: Training) -> str:
    """Return the digest of what a model that is not finished belongs to."""
    base = training.base.bundle.digest if training.base else None
    return digest([training_digest(job, training), base, training.spec.params])


def profile_digest(work: Profiling) -> str:
    """Return the digest of the data, the section, what it looks for, and versions."""
    asked = [work.spec.to_dict(), work.target, work.time, work.key, repr(work.split)]
    return digest([work.dataset.fingerprint(), asked, versions()])


def scoring_spec(scoring: Scoring, model_digest: str) -> dict[str, Any]:
    """Return what the predictions depend on; plain JSON, equal for equal results."""
    spec = scoring.spec
    stated = {} if scoring.coverage is None else {"coverage": scoring.coverage}
    return {
        "data": scoring.dataset.fingerprint(),
        "files": scoring.dataset.listing(),
        "model": model_digest,
        "columns": list(scoring.columns),
        "rename": dict(spec.rename),
        "on_bad_rows": spec.on_bad_rows,
        "threshold": spec.threshold,
        "asked": [spec.raw, spec.leaves, spec.explain],
        **stated,
        "written": spec.in_files(),
        "versions": versions(),
    }


def sorting_spec(work: Sorting) -> dict[str, Any]:
    """Return what sorted rows depend on; plain JSON, equal for equal results."""
    return {
        "data": work.dataset.fingerprint(),
        "files": work.dataset.listing(),
        "sort": list(work.spec.by),
        "on_bad_rows": work.spec.on_bad_rows,
        "versions": versions(),
    }


def preparation_spec(job: JobSpec, work: Preparation) -> dict[str, Any]:
    """Return what prepared rows depend on; plain JSON, equal for equal results."""
    spec = work.spec.to_dict()
    for name in ("output", "pipeline", "if_exists", "database"):
        spec.pop(name)
    fitted = work.fitted.digest if work.fitted else None
    return {
        "data": work.dataset.fingerprint(),
        "files": work.dataset.listing(),
        "features": job.features.to_dict() if job.features else None,
        "fitted": fitted,
        "columns": list(work.columns),
        "prepare": spec,
        "versions": versions(),
    }


def digest(value: object) -> str:
    """Return the digest of a value, hexadecimal."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
