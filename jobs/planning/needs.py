"""What a job needs of its cluster: the paths it names, as plain text, and whether it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cluster.preflight.libraries import EXTRAS
from cluster.preflight.needs import Needs
from jobs.spec.data import DataSpec
from jobs.spec.job import JobSpec


def needs_of(job: JobSpec, store: str | Path | None = None) -> Needs:
    """Return what every worker must have for a job.

    Args:
        job: The job.
        store: Where run folders are, if a worker may drive the job: it then writes there, and
            writes the model and the profile too.
    """
    driving = () if store is None else (str(store), *_written_by_driver(job))
    return Needs(
        readable=tuple(_read(job.data.values())),
        writable=(*_written_by_workers(job), *driving),
        training=job.train is not None,
        libraries=tuple(sorted({name for data in job.data.values() for name in _readers(data)})),
    )


def _read(tables: Iterable[DataSpec]) -> Iterator[str]:
    for data in tables:
        # With a catalog the path is the name of a table in it.
        if not (data.iceberg and data.iceberg.catalog) and data.format_name != "sql":
            yield data.path


def _readers(data: DataSpec) -> tuple[str, ...]:
    named = "sql" if data.path.startswith("postgresql://") else data.format_name
    return EXTRAS.get(named or "", ())


def _written_by_workers(job: JobSpec) -> Iterator[str]:
    for section in (job.sort, job.prepare, job.score):
        if section is not None:
            yield section.output


def _written_by_driver(job: JobSpec) -> Iterator[str]:
    if job.train is not None:
        yield job.train.model
    if job.profile is not None and job.profile.output is not None:
        yield job.profile.output
