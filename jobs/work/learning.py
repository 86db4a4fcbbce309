"""What ``[train]`` and ``[prepare]`` learn from: label, split and features that fit the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.dataset import Dataset
from engine.features.pipeline import Pipeline, Resolved
from engine.preparing import TrainingData
from engine.reserved import TARGET
from jobs.opening import split_of, time_of
from jobs.spec import (
    DataSpec,
    FeaturesSpec,
    Job,
    SplitSpec,
)


@dataclass(frozen=True)
class Asked:
    """What two sections say alike of learning: section, label, split, and seed of the folds."""

    section: str
    target: str | None
    split: SplitSpec | None
    seed: int


def learning(
    asked: Asked, job: Job, data_spec: DataSpec, dataset: Dataset
) -> tuple[TrainingData, Pipeline, Resolved]:
    """Check label, split and features against the data.

    Raises:
        SpecError: A column, expression or step does not fit the data.
    """
    pipeline = _pipeline(job.features or FeaturesSpec())
    split = split_of(asked.split, data_spec, dataset)
    target = TrainingData(dataset.source, asked.target, split, (), pipeline.derive)
    dataset.require(target.target_columns, f"{asked.section}.target = {asked.target!r}")
    dataset.require([n for n in split.columns if n != TARGET], f"{asked.section}.split")
    made_of = set(target.target_columns)
    leaks = made_of | {n for n in pipeline.derive if made_of & set(pipeline.origins([n]))}
    # A column that rows are stratified by is a feature like others.
    decides = () if split.by == "stratified" else split.columns
    bookkeeping = {*data_spec.key, *time_of(data_spec), *decides}
    excluded = bookkeeping if pipeline.columns is None else set()
    resolved = pipeline.resolve(dataset.schema, excluded, leaks, labelled=bool(asked.target))
    data = replace(target, inputs=resolved.inputs, seed=asked.seed)
    return data, pipeline, resolved


def _pipeline(spec: FeaturesSpec) -> Pipeline:
    steps = tuple(one.step() for one in spec.steps)
    return Pipeline(dict(spec.derive), steps, spec.columns, spec.drop)
