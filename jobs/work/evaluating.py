"""What ``[evaluate]`` works on where it measures a model that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from engine.boosting.learning import Task
from engine.bundle import Bundle
from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.features.pipeline import Pipeline, Resolved
from engine.learners.estimator import UNLABELLED
from engine.metrics import Measure
from engine.registry import open_model
from engine.split import Split
from engine.training.preparing import TrainingData
from engine.vectors import VectorColumns
from jobs.spec.evaluate import EvaluateSpec
from jobs.spec.job import JobSpec
from jobs.work.labelling import assert_label, assert_value
from jobs.work.opening import open_data
from jobs.work.section import there
from jobs.work.training import slicings
from jobs.work.wanted import Wanted

SECTION: Final = "evaluate"

_JUDGED: Final = "anomaly"
"""The task that learns without a label, and may be measured with one."""


@dataclass(frozen=True)
class Evaluating:
    """What ``[evaluate]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data, under their own contract and that of the model.
        data: How rows are read and labelled.
        resolved: The features of the model, as they fit the data.
        folder: Folder of the model's version.
        bundle: The model.
        measure: What rows are measured by.
    """

    spec: EvaluateSpec
    dataset: Dataset
    data: TrainingData
    resolved: Resolved
    folder: Path
    bundle: Bundle
    measure: Measure

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return self.data.columns

    @property
    def width(self) -> int:
        """Number of features."""
        return self.resolved.width

    @property
    def lookback(self) -> int:
        """Rows before a row that some step looks at."""
        return self.resolved.lookback

    @property
    def seed(self) -> int:
        """Of the sample and the draws of folds: that of the training, so that both are alike."""
        return int(self.bundle.provenance.get("seed", 0))

    @property
    def outputs(self) -> int:
        """Numbers of a prediction."""
        return self.measure.classes or self.bundle.outputs


def open_evaluating(job: JobSpec) -> Evaluating:
    """Open the model of ``[evaluate]``, and the data under the contract that it carries.

    Raises:
        SpecError: The data do not fit the model, or the metric does not fit its task.
        ModelError: The model is not there, or is damaged.
        InputError: A file is damaged.
    """
    spec = there(job.evaluate)
    assert spec.model is not None and spec.data is not None
    folder, bundle = open_model(spec.model)
    fitted, dataset = bundle.pipeline, _opened(job, spec, bundle)
    data = _labelled(spec, dataset, bundle)
    resolved = Resolved.taken(fitted.features, fitted.inputs, fitted.lookback)
    return Evaluating(spec, dataset, data, resolved, folder, bundle, _measure(spec, bundle))


def _opened(job: JobSpec, spec: EvaluateSpec, bundle: Bundle) -> Dataset:
    """Open the data under the contract of the model too; a column that it lacks names the model."""
    assert spec.data is not None
    needs = f"data.{spec.data} (columns that {spec.model} needs)"
    try:
        dataset = open_data(spec.data, job.data[spec.data], Wanted.by(bundle).rules)
    except SpecError as error:
        lacking = {f"there is no column {name!r}" for name in bundle.pipeline.inputs}
        if error.what in lacking:  # `engine.schema.require`
            raise SpecError(error.what, where=needs, hint=error.hint) from None
        raise
    dataset.require(bundle.pipeline.inputs, needs)
    return dataset


def _labelled(spec: EvaluateSpec, dataset: Dataset, bundle: Bundle) -> TrainingData:
    """Return how rows are labelled and sliced, held against the data."""
    target = spec.target or bundle.target
    if spec.target is not None and bundle.task in UNLABELLED and bundle.task != _JUDGED:
        raise SpecError(
            f"a {bundle.task} is measured without a label",
            where=f"{SECTION}.target",
            hint="leave it out",
        )
    data = TrainingData(
        dataset.source,
        target,
        Split("random"),
        bundle.pipeline.inputs,
        bundle.pipeline.derive,
        seed=int(bundle.provenance.get("seed", 0)),
        task=None if bundle.task in UNLABELLED else cast(Task, bundle.task),
        objective=bundle.objective,
        classes=bundle.classes,
        vectors=VectorColumns(query=bundle.query),
    )
    types = Pipeline(data.derive).types(dataset.schema)
    dataset.require(data.target_columns, f"{SECTION}.target = {target!r}")
    # The label of an anomaly task is one of two, as that of a binary one.
    assert_label(replace(data, task=data.task or "binary"), types, SECTION)
    if bundle.query:
        dataset.require([bundle.query], f"data.{dataset.name} (query of {spec.model})")
    beside: dict[str, None] = {}
    for one in slicings(spec, data):
        assert_value(one.text, types, one.key)
        beside |= dict.fromkeys(data.made_of(one.text, one.key))
    return replace(data, beside=tuple(beside))


def _measure(spec: EvaluateSpec, bundle: Bundle) -> Measure:
    """Return what the model is measured by: as in training, at the threshold that it decides by.

    Raises:
        SpecError: The metric does not fit the task.
    """
    told = bundle.provenance
    chosen: Mapping[str, Any] = bundle.metrics.get("threshold") or {}
    try:
        return Measure(
            bundle.task,
            len(bundle.classes or ()) if bundle.task == "multiclass" else 0,
            bundle.objective,
            told.get("params", {}),
            spec.metric or told.get("metric"),
            threshold=bundle.deciding(),
            beta=chosen.get("beta") or 1.0,
        )
    except SpecError as error:
        raise SpecError(error.what, where=f"{SECTION}.metric", hint=error.hint) from None
