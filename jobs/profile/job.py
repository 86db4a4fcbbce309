"""The job that ``millrace profile`` runs: one section, of a job file's data or of a location."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path

from engine.errors import SpecError
from jobs.spec.job import DataSpec, JobSpec, ProfileSpec
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import nearest
from jobs.starter import name_of


def profile_job(
    source: str, data: str | None, target: str | None, output: Path | None, contract: bool
) -> JobSpec:
    """Return a job that only profiles.

    Args:
        source: A job file, or the location of data.
        data: Which data of the job file; left out where there is one, or ``[profile]`` names it.
        target: What is to be predicted; as the job file says when left out.
        output: Folder for the results.
        contract: Also write a contract.

    Raises:
        SpecError: The job file cannot be used, or it is not clear which data are meant.
    """
    if source.endswith(".toml"):
        job = _load(source, data)
        given = _section(job, data, source)
    else:
        path = source if "://" in source else os.path.abspath(source)
        name = name_of(path)
        given = ProfileSpec(data=name)
        job = JobSpec(name="profile", data={name: DataSpec(path=path)}, profile=given)
    changes = {
        "target": target or given.target,
        "output": str(output.absolute()) if output else given.output,
        "contract": contract or given.contract,
    }
    section = given.model_copy(update=changes)
    left_out = dict.fromkeys(("features", "tune", "train", "evaluate", "score"))
    return job.model_copy(update={**left_out, "profile": section})


def _load(source: str, data: str | None) -> JobSpec:
    """Read a job file, also one that has nothing to do yet but to name data."""
    try:
        return load_job(source)
    except JobFileError as error:
        if [problem.key for problem in error.problems] != [()]:
            raise
        return load_job(source, sections={"profile": {"data": data or _named(source)}})


def _named(source: str) -> str:
    """Return the only data that a job file names."""
    names = list(tomllib.loads(Path(source).read_text(encoding="utf-8"))["data"])
    if len(names) > 1:
        raise _several(names, source)
    return str(names[0])


def _section(job: JobSpec, data: str | None, source: str) -> ProfileSpec:
    """Return the section for some data of a job file, with target and split of its training."""
    name = data or (job.profile.data if job.profile else None) or _only(job, source)
    if name not in job.data:
        what = f"there is no [data.{name}]{nearest(name, job.data)}"
        raise SpecError(what, where=source)
    given = job.profile if job.profile and job.profile.data == name else ProfileSpec(data=name)
    train = job.train
    if train is None or train.data != name:
        return given
    changes = {"target": given.target or train.target, "split": given.split or train.split}
    return given.model_copy(update=changes)


def _only(job: JobSpec, source: str) -> str:
    if len(job.data) > 1:
        raise _several(job.data, source)
    return next(iter(job.data))


def _several(names: Iterable[str], source: str) -> SpecError:
    what = f"the job file has several tables: {', '.join(names)}"
    return SpecError(what, where=source, hint="name one with --data")
