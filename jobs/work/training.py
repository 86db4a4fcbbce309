"""What ``[train]`` works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.contract import Rule
from engine.dataset import Dataset
from engine.features.pipeline import Pipeline, Resolved
from engine.preparing import TrainingData
from jobs.opening import model_rules, open_data
from jobs.spec import (
    Job,
    TrainSpec,
)
from jobs.work.learning import Asked, learning
from jobs.work.section import there


@dataclass(frozen=True)
class Training:
    """What ``[train]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data.
        data: How its rows are read, labelled and split; time cuts are not known yet.
        pipeline: The features as asked for.
        resolved: The features as they fit the data.
    """

    spec: TrainSpec
    dataset: Dataset
    data: TrainingData
    pipeline: Pipeline
    resolved: Resolved

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


def open_training(job: Job) -> Training:
    """Open the data of ``[train]`` and check features, target and split against it.

    Raises:
        SpecError: A column, expression or step does not fit the data.
        InputError: A file is damaged.
    """
    spec = there(job.train)
    data_spec = job.data[spec.data]
    dataset = open_data(spec.data, data_spec, {})
    asked = Asked("train", spec.target, spec.split, spec.seed)
    return Training(spec, dataset, *learning(asked, job, data_spec, dataset))
