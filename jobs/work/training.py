"""What ``[train]`` works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.classes import weights_by_class
from engine.contract import Rule
from engine.dataset import Dataset
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.preparing import TrainingData
from jobs.spec.constraints import assert_known
from jobs.spec.job import (
    JobSpec,
    TrainSpec,
)
from jobs.work.base import Base, open_base
from jobs.work.learning import Asked, labelled, learning
from jobs.work.opening import model_rules, open_data
from jobs.work.section import there
from jobs.work.wanted import Wanted


@dataclass(frozen=True)
class Training:
    """What ``[train]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data.
        data: How its rows are read, labelled and split; time cuts are not known yet, nor classes
            that are not named.
        pipeline: The features as asked for; or as they were fitted for the model that training
            goes on from.
        resolved: The features as they fit the data.
        base: The model that training goes on from, if there is one.
    """

    spec: TrainSpec
    dataset: Dataset
    data: TrainingData
    pipeline: Pipeline | FittedPipeline
    resolved: Resolved
    base: Base | None = None

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return self.data.columns

    @property
    def width(self) -> int:
        """Number of features, at most."""
        return self.resolved.width

    @property
    def lookback(self) -> int:
        """Rows before a row that some step looks at."""
        return self.resolved.lookback

    def rules(self, inputs: Sequence[str]) -> dict[str, Rule]:
        """Return the contract that the model carries: input columns in their types."""
        return model_rules(inputs, self.dataset.schema, self.dataset.source.contract.rules)


def open_training(job: JobSpec) -> Training:
    """Open the data of ``[train]`` and check features, target and split against it.

    Raises:
        SpecError: A column, expression or step does not fit the data, or the section does not fit
            the model that training goes on from.
        InputError: A file is damaged.
        ModelError: The model that training goes on from is not there.
    """
    spec = there(job.train)
    asked = Asked("train", spec.target, spec.split, spec.seed, spec)
    training = _from_new(job, asked) if spec.init is None else _from_base(job, asked, spec.init)
    assert_known(spec, training.resolved.features)
    classes = training.data.classes or ((0, 1) if spec.task == "binary" else None)
    if classes and isinstance(spec.class_weight, dict):
        weights_by_class(spec.class_weight, classes)
    return training


def _from_new(job: JobSpec, asked: Asked) -> Training:
    spec = there(job.train)
    data_spec = job.data[spec.data]
    dataset = open_data(spec.data, data_spec, {})
    return Training(spec, dataset, *learning(asked, job, data_spec, dataset))


def _from_base(job: JobSpec, asked: Asked, init: str) -> Training:
    spec = there(job.train)
    data_spec, base = job.data[spec.data], open_base(init)
    base.assert_alike(spec)
    wanted, fitted = Wanted.by(base.bundle), base.bundle.pipeline
    dataset = open_data(spec.data, data_spec, wanted.rules)
    dataset.require(fitted.inputs, f"data.{spec.data} (columns that {init} needs)")
    rows = labelled(asked, data_spec, dataset, Pipeline(fitted.derive))
    data = replace(rows, inputs=fitted.inputs, classes=base.bundle.classes)
    resolved = Resolved.taken(fitted.features, fitted.inputs, fitted.lookback)
    return Training(spec, dataset, data, fitted, resolved, base)
