"""The section ``[track]``: the run is recorded when everything else is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.bundle import Bundle
from jobs.runs.folder import METRICS, REPORT
from jobs.sections.context import Context
from jobs.tracking.record import record

FILES = (REPORT, METRICS, "job.json", "plan.json")
"""Files of the run folder that are logged."""


def track(
    context: Context, told: Mapping[str, Any], bundle: Bundle | None, version: Path | None
) -> None:
    """Record the run with MLflow, if the job asks for it. A failure is a warning, no more.

    Args:
        context: Of the run.
        told: Its ``metrics.json``.
        bundle: The model that was trained.
        version: Its folder.
    """
    job = context.planned.job
    if job.track is None:
        return
    from jobs.tracking import mlflow_store
    from jobs.tracking.mlflow_store import Logged

    contents = {name: context.run.read(name) for name in FILES}
    files = {name: content for name, content in contents.items() if content is not None}
    model = (bundle, version) if bundle and version else None
    logged = Logged(record(told, job.to_dict(), job.track.tags), files, model)
    try:
        run = mlflow_store.log(job.track, job.track.experiment or job.name, logged)
    except Exception as error:
        context.reporter.warning(
            f"MLflow at {job.track.uri} did not take the run ({mlflow_store.told(error)}): "
            f"all else is done; look at [track], or log {METRICS} of the run folder by hand"
        )
        return
    context.run.write_step("track", {"mlflow": run, "uri": job.track.uri})
