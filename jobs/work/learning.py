"""What ``[train]`` and ``[prepare]`` learn from: label, split and features that fit the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from engine.balance import Balance
from engine.boosting.learning import Task
from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.features.pipeline import Pipeline, Resolved
from engine.reserved import TARGET
from engine.training.preparing import TrainingData
from engine.vectors import VectorColumns
from jobs.spec.job import (
    DataSpec,
    FeaturesSpec,
    JobSpec,
    SplitSpec,
)
from jobs.spec.label import LabelSpec
from jobs.work.labelling import assert_label, assert_number, columns_alone
from jobs.work.opening import split_of, time_of

_MEANS = ("target", "leave_one_out", "woe")
"""Encodings of a level by the mean of the label, or by its odds."""


@dataclass(frozen=True)
class Asked:
    """What two sections say alike of learning: section, label, split, and seed of the folds.

    Attributes:
        section: Name of the section.
        target: Expression of the label, if there is one.
        split: How rows are held out.
        seed: Of the folds.
        label: What is said of the label beyond its expression; only by ``[train]``.
    """

    section: str
    target: str | None
    split: SplitSpec | None
    seed: int
    label: LabelSpec | None = None


def learning(
    asked: Asked, job: JobSpec, data_spec: DataSpec, dataset: Dataset
) -> tuple[TrainingData, Pipeline, Resolved]:
    """Check label, split and features against the data.

    Raises:
        SpecError: A column, expression or step does not fit the data.
    """
    pipeline = _pipeline(job.features or FeaturesSpec())
    if asked.label is not None and asked.label.task == "multiclass":
        _assert_no_means(pipeline)
    data = labelled(asked, data_spec, dataset, pipeline)
    made_of = set(data.target_columns)
    leaks = made_of | {n for n in pipeline.derive if made_of & set(pipeline.origins([n]))}
    # A column that rows are stratified by is a feature like others.
    decides = () if data.split.by == "stratified" else data.split.columns
    bookkeeping = {*data_spec.key, *time_of(data_spec), *decides, *columns_alone(data.vectors)}
    excluded = bookkeeping if pipeline.columns is None else set()
    resolved = pipeline.resolve(dataset.schema, excluded, leaks, labelled=bool(asked.target))
    return replace(data, inputs=resolved.inputs), pipeline, resolved


def labelled(
    asked: Asked, data_spec: DataSpec, dataset: Dataset, pipeline: Pipeline
) -> TrainingData:
    """Return how rows are labelled, weighted and split; without what features are made from.

    Args:
        asked: What the section says.
        data_spec: The section of the data.
        dataset: The data.
        pipeline: Knows the derived columns, which expressions may name.

    Raises:
        SpecError: A column or expression does not fit the data.
    """
    split = split_of(asked.split, data_spec, dataset)
    data = TrainingData(dataset.source, asked.target, split, (), pipeline.derive, seed=asked.seed)
    data = _with_label(data, asked.label)
    types = pipeline.types(dataset.schema)
    dataset.require(data.target_columns, f"{asked.section}.target = {asked.target!r}")
    dataset.require([n for n in split.columns if n != TARGET], f"{asked.section}.split")
    assert_label(data, types, asked.section)
    for text, key in data.vectors.expressions:
        dataset.require(data.made_of(text, key), f"{key} = {text!r}")
        assert_number(text, types, key)
    if data.vectors.query:
        dataset.require([data.vectors.query], "train.query")
    return data


def _assert_no_means(pipeline: Pipeline) -> None:
    """Refuse steps that take means of the label, where it is the code of one of many classes."""
    for number, step in enumerate(pipeline.steps):
        if step.verb == "encode" and step.method in _MEANS:
            raise SpecError(
                f'encode with = "{step.method}" takes means of the label, and classes have none',
                where=f"features.steps[{number}]",
                hint='use with = "category" or "count"',
            )


def _with_label(data: TrainingData, label: LabelSpec | None) -> TrainingData:
    if label is None:
        return data
    vectors = VectorColumns(label.weight, label.init_scores, label.query)
    task = cast(Task, label.task) if label.labelled else None
    shares = None if label.balance == "balanced" else label.balance
    balance = None if label.balance is None else Balance(shares, seed=data.seed)
    data = replace(data, task=task, objective=label.loss, classes=label.classes)
    return replace(data, vectors=vectors, balance=balance)


def _pipeline(spec: FeaturesSpec) -> Pipeline:
    steps = tuple(one.step() for one in spec.steps)
    return Pipeline(dict(spec.derive), steps, spec.columns, spec.drop)
