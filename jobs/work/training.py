"""What ``[train]`` works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.classes import weights_by_class
from engine.contract import Rule
from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.evaluation.slices import Slicing
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.folds import Folds
from engine.learners import held, learner
from engine.training.preparing import TrainingData
from engine.training.seen import Seen
from jobs.spec.constraints import assert_explained, assert_known
from jobs.spec.job import EvaluateSpec, JobSpec, TrainSpec
from jobs.spec.members import parts_of
from jobs.work.base import Base, open_base
from jobs.work.borrowed import (
    Borrowed,
    assert_no_label,
    classes_of,
    doubts,
    open_borrowed,
    place_of,
)
from jobs.work.folding import folds_of
from jobs.work.labelling import assert_value
from jobs.work.learning import Asked, labelled, learning
from jobs.work.lesson import assignment
from jobs.work.opening import model_rules, open_data
from jobs.work.section import there
from jobs.work.wanted import Wanted, together


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
        folds: How the training rows are dealt for a cross-validation, if there is one; what has to
            be learnt of the data for it is not known yet.
        stacking: The same for stacking.
        borrowed: Members of an ensemble that were trained before, by name.
    """

    spec: TrainSpec
    dataset: Dataset
    data: TrainingData
    pipeline: Pipeline | FittedPipeline
    resolved: Resolved
    base: Base | None = None
    folds: Folds | None = None
    stacking: Folds | None = None
    borrowed: Mapping[str, Borrowed] = field(default_factory=dict)

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return self.data.columns

    @property
    def loads(self) -> bool:
        """Whether anything but LightGBM learns: workers load libraries for it."""
        if not self.spec.combines:
            return not self.spec.boosts
        parts = (self.spec.part(one) for _, one in parts_of(self.spec) if one.learns)
        before = (held.needed(one.learned) for one in self.borrowed.values())
        return any(not one.boosts for one in parts) or any(before)

    @property
    def members(self) -> dict[str, Training]:
        """Return what each member of an ensemble that is to learn works on, by name."""
        members = self.spec.members.items()
        parts = ((name, self.spec.part(one)) for name, one in members if one.learns)
        return {name: replace(self, spec=spec, borrowed={}) for name, spec in parts}

    def joined(self, pipeline: FittedPipeline) -> FittedPipeline:
        """Return fitted features with those of the members that were trained before."""
        beside = {name: one.bundle.pipeline for name, one in self.borrowed.items()}
        return pipeline.joined(beside) if beside else pipeline

    @property
    def seen(self) -> Seen:
        """Which rows are learned from."""
        dataset, data = self.dataset, self.data
        return Seen.of(dataset.listing(), dataset.source.where, data.split, data.target)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What a reader should know of rows that finished members may have learned from.

        Raises:
            SpecError: They have learned from rows that what combines them would learn from.
        """
        return tuple(doubts(self.spec, self.borrowed, self.seen)) if self.borrowed else ()

    @property
    def supervised(self) -> bool:
        """Whether features are fitted that learn from the label."""
        steps = self.pipeline.steps if isinstance(self.pipeline, Pipeline) else ()
        return any(step.supervised for step in steps)

    @property
    def own_bins(self) -> str:
        """Why each fold of a cross-validation bins its rows by itself; empty: all share one set."""
        if not self.spec.boosts:
            return "only LightGBM has bins to share"
        if self.supervised:
            return "features that learn from the label are others under each fold"
        if self.spec.class_weight == "balanced":
            return "balanced weights of the classes are others under each fold"
        return ""

    @property
    def folds_told(self) -> dict[str, Any]:
        """Return what a cross-validation was asked for, as JSON values."""
        asked = self.spec.cross_validate
        return (
            {}
            if asked is None
            else {**asked.to_dict(), "columns": list(self.folds.columns if self.folds else ())}
        )

    @property
    def width(self) -> int:
        """Number of features, at most; of an ensemble with those of finished members."""
        return self.resolved.width

    @property
    def own_width(self) -> int:
        """Number of features that what learns here is shown, at most."""
        return self.resolved.width - sum(one.width for one in self.borrowed.values())

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
    _ = training.doubts  # refuses
    assert_known(spec, training.resolved.features)
    if job.explain:
        assert_explained(job.explain, training.resolved.features)
    for one in (spec, *(spec.part(part) for _, part in parts_of(spec) if part.learns)):
        if not one.boosts and not one.combines:
            learner(one.learner.way).check(assignment(one))
    training = replace(training, data=_measured(training.data, training.dataset, job))
    training = _with_folds(job, training)
    classes = training.data.classes or ((0, 1) if spec.task == "binary" else None)
    if classes and isinstance(spec.class_weight, dict):
        weights_by_class(spec.class_weight, classes)
    if classes and isinstance(spec.balance, dict):
        weights_by_class(spec.balance, classes, "train.balance")
    return training


def _measured(data: TrainingData, dataset: Dataset, job: JobSpec) -> TrainingData:
    """Return the rows with what ``[evaluate] by`` reads of them, after a look at it."""
    types = Pipeline(data.derive).types(dataset.schema)
    beside: dict[str, None] = {}
    for slicing in slicings(job.evaluate, data) if job.evaluate else ():
        assert_value(slicing.text, types, slicing.key)
        beside |= dict.fromkeys(data.made_of(slicing.text, slicing.key))
    return replace(data, beside=tuple(beside))


def slicings(spec: EvaluateSpec, data: TrainingData) -> list[Slicing]:
    """Return what a model is sliced by; which values it has is not known yet."""
    named = ((text, f"evaluate.by[{place}]") for place, text in enumerate(spec.by))
    return [Slicing(text, key, data.derive) for text, key in named]


def _with_folds(job: JobSpec, training: Training) -> Training:
    """Hold the folds that are asked for against the data."""
    spec, data_spec, dataset = training.spec, job.data[training.spec.data], training.dataset
    asked = (spec.cross_validate, "train.cross_validate"), (spec.stacking, "train.folds")
    folds, stacking = (
        None if one is None else folds_of(one, data_spec, dataset, where) for one, where in asked
    )
    return replace(training, folds=folds, stacking=stacking)


def _from_new(job: JobSpec, asked: Asked) -> Training:
    spec = there(job.train)
    data_spec = job.data[spec.data]
    borrowed = open_borrowed(spec)
    if borrowed:
        return _with_borrowed(job, asked, borrowed)
    dataset = open_data(spec.data, data_spec, {})
    return Training(spec, dataset, *learning(asked, job, data_spec, dataset))


def _with_borrowed(job: JobSpec, asked: Asked, borrowed: Mapping[str, Borrowed]) -> Training:
    """Open data that members read which were trained before, under their contracts too."""
    spec = there(job.train)
    data_spec = job.data[spec.data]
    needs = {f"members.{name}": Wanted.by(one.bundle) for name, one in borrowed.items()}
    wanted = together(needs, data_spec.contract.columns, "train")
    dataset = open_data(spec.data, data_spec, wanted.rules)
    for name, one in borrowed.items():
        columns = f"data.{spec.data} (columns that {one.reference} needs, {place_of(name)})"
        dataset.require(one.bundle.pipeline.inputs, columns)
    pipeline: Pipeline | FittedPipeline
    if any(member.learns for member in spec.members.values()):
        data, pipeline, resolved = learning(asked, job, data_spec, dataset)
    else:
        derive = _derived_alone(job)
        data = labelled(asked, data_spec, dataset, Pipeline(derive))
        pipeline, resolved = FittedPipeline({}, (), (), ()), Resolved.taken((), (), 0)
    assert_no_label(borrowed, data.target_columns)
    inputs = tuple(dict.fromkeys([*resolved.inputs, *wanted.inputs]))
    beside = [f"{n}.{f}" for n, one in borrowed.items() for f in one.bundle.pipeline.features]
    resolved = replace(
        resolved,
        features=(*resolved.features, *beside),
        inputs=inputs,
        width=resolved.width + len(beside),
    )
    data = replace(data, inputs=inputs, classes=classes_of(borrowed))
    return Training(spec, dataset, data, pipeline, resolved, borrowed=borrowed)


def _derived_alone(job: JobSpec) -> dict[str, str]:
    """Return derived columns, which the label may name, where no member learns from features."""
    features = job.features
    if features is not None and features.steps:
        raise SpecError(
            "no member learns from these features: all of them are models with their own",
            where="features.steps",
            hint="leave the steps out, or add a member with an estimator",
        )
    return dict(features.derive) if features else {}


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
