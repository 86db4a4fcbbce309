"""A run as a run of MLflow. What goes wrong here never fails the run: it is told as a warning."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.bundle import Bundle
from engine.storage.secrets import fill, redact
from jobs.spec.track import TrackSpec
from jobs.tracking.record import Point, Record
from jobs.tracking.signature import signature

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

T = TypeVar("T")

BATCH = 100
"""Entries of one request: MLflow takes 100 parameters, 100 tags and 1,000 metrics at most."""
LONGEST = 5_000
"""Characters of a tag or parameter that are kept: MLflow takes 6,000 of a parameter."""
MODEL = "model"
"""Folder of the bundle among the files of the run."""

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""A server that is away is waited for about a minute; MLflow's own defaults are many minutes."""


@dataclass(frozen=True)
class Logged:
    """What is logged.

    Attributes:
        record: Parameters, metrics, tags.
        files: Contents by name.
        bundle: The model and its folder; None: nothing was trained.
    """

    record: Record
    files: Mapping[str, bytes]
    bundle: tuple[Bundle, Path] | None = None


def log(spec: TrackSpec, experiment: str, logged: Logged) -> str:
    """Log a run. One that was logged before, by a driver that died then, is gone on with.

    Args:
        spec: Where to.
        experiment: Name of the experiment.
        logged: What is logged.

    Returns:
        MLflow's id of the run.

    Raises:
        SpecError: A secret has no value on this machine.
        Exception: Whatever MLflow raises: the server is away, or refuses.
    """
    with _environment(spec):
        from mlflow.entities import Param, RunTag
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=fill(spec.uri))
        run = _run(client, experiment, logged.record.name)
        for params in _batches(list(logged.record.params.items())):
            client.log_batch(run, params=[Param(k, v[:LONGEST]) for k, v in params])
        for tags in _batches(list(logged.record.tags.items())):
            client.log_batch(run, tags=[RunTag(k, v[:LONGEST]) for k, v in tags])
        _log_points(client, run, logged.record.points)
        _log_files(client, run, logged, with_model=spec.model)
        client.set_terminated(run)
        return run


def told(error: BaseException) -> str:
    """Return an error on one line, without a secret in it."""
    lines = str(error).strip().splitlines()
    return redact(f"{type(error).__name__}: {lines[0][:300] if lines else ''}")


def _run(client: MlflowClient, experiment: str, name: str) -> str:
    """Return the id of the run with our id, a new one if there is none."""
    found = client.get_experiment_by_name(experiment)
    place = found.experiment_id if found else client.create_experiment(experiment)
    before = client.search_runs([place], f"tags.`millrace.run` = '{name}'", max_results=1)
    if before:
        return str(before[0].info.run_id)
    tags = {"millrace.run": name}
    return str(client.create_run(place, run_name=name, tags=tags).info.run_id)


def _log_points(client: MlflowClient, run: str, points: Sequence[Point]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    for some in _batches(points, 10 * BATCH):
        client.log_batch(run, [Metric(one.name, one.value, now, one.step) for one in some])


def _log_files(client: MlflowClient, run: str, logged: Logged, *, with_model: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        for name, content in logged.files.items():
            (Path(folder) / name).write_bytes(content)
        if logged.bundle and with_model:
            _stage_model(Path(folder) / MODEL, run, *logged.bundle)
        client.log_artifacts(run, folder)


def _stage_model(folder: Path, run: str, bundle: Bundle, version: Path) -> None:
    """Put a bundle where MLflow finds a model: beside its description, ``MLmodel``."""
    import shutil

    from mlflow.models import Model

    shutil.copytree(version, folder / "bundle")
    model = Model(artifact_path=MODEL, run_id=run, signature=signature(bundle))
    model.add_flavor("millrace", bundle="bundle", digest=bundle.digest, task=bundle.task)
    model.save(str(folder / "MLmodel"))


def _batches(entries: Sequence[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


@contextmanager
def _environment(spec: TrackSpec) -> Iterator[None]:
    """Hold what MLflow reads from the environment while the body runs; nothing of it stays."""
    secret: dict[str, str | None] = {
        "MLFLOW_TRACKING_TOKEN": spec.token and fill(spec.token),
        "MLFLOW_TRACKING_USERNAME": spec.username,
        "MLFLOW_TRACKING_PASSWORD": spec.password and fill(spec.password),
    }
    asked: dict[str, Any] = {name: value for name, value in secret.items() if value}
    asked |= {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    # Nobody is told that millrace was used: MLflow reports its use from version 3.2 on.
    asked["MLFLOW_DISABLE_TELEMETRY"] = "true"
    before = {name: os.environ.get(name) for name in asked}
    levels = {name: logging.getLogger(name).level for name in ("alembic", "mlflow")}
    os.environ.update(asked)
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
