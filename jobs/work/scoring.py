"""What ``[score]`` works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.bundle import Bundle
from engine.contract import Rule
from engine.dataset import Dataset
from jobs.opening import open_data
from jobs.spec import (
    Job,
    ScoreSpec,
)
from jobs.work.section import there


@dataclass(frozen=True)
class Scoring:
    """What ``[score]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data, under its own contract and the model's.
        inputs: Columns that the model reads.
        columns: Columns that are passed through, the key first.
        width: Number of features of the model, at most.
        lookback: Rows before a row that some step of the model looks at.
    """

    spec: ScoreSpec
    dataset: Dataset
    inputs: tuple[str, ...]
    columns: tuple[str, ...]
    width: int
    lookback: int

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return list(dict.fromkeys([*self.columns, *self.inputs]))


@dataclass(frozen=True)
class Wanted:
    """What a model needs of the data that it scores.

    Attributes:
        inputs: Columns that it reads.
        width: Number of its features, at most.
        lookback: Rows before a row that some step looks at.
        rules: Its contract; rules of the data's own section go before it.
    """

    inputs: tuple[str, ...]
    width: int
    lookback: int
    rules: Mapping[str, Rule]

    @classmethod
    def by(cls, bundle: Bundle) -> Wanted:
        """Return what a trained model needs."""
        pipeline = bundle.pipeline
        rules = {
            name: Rule(**{**vars(bundle.rules.get(name, Rule())), "type": kind})
            for name, kind in bundle.types.items()
        }
        return cls(pipeline.inputs, len(pipeline.features), pipeline.lookback, rules)


def open_scoring(job: Job, wanted: Wanted) -> Scoring:
    """Open the data of ``[score]`` under the contract that the model carries."""
    spec = there(job.score)
    data_spec = job.data[spec.data]
    dataset = open_data(spec.data, data_spec, wanted.rules)
    dataset.require(wanted.inputs, f"data.{spec.data} (columns that the model needs)")
    columns = tuple(dict.fromkeys([*data_spec.key, *spec.columns]))
    dataset.require(columns, "score.columns")
    return Scoring(spec, dataset, wanted.inputs, columns, wanted.width, wanted.lookback)
