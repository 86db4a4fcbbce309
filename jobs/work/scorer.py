"""One model of ``[score]``: where it comes from, what it needs, what it adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import polars as pl

from engine.boosting.params.given import checked
from engine.bundle import Bundle
from engine.classes import Class
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.learners import held
from engine.models import Trees
from engine.plan import Term
from engine.registry import open_model
from engine.scoring import Asked, Bundled, Model, prediction_columns
from jobs.spec.members import parts_of
from jobs.spec.predicting import INTERVAL, PredictingSpec
from jobs.spec.train import TrainSpec
from jobs.work.lesson import assignment
from jobs.work.training import Training
from jobs.work.wanted import Wanted

LEAF_TEXT = 160
"""Bytes of a model text for each leaf, at most: its value, weight and count, and a split."""

STOPPED = 1_000
"""Guess of the rounds after which a training has stopped early, if it may; most need fewer. Where
it is wrong, the plan of ``[score]`` is refused as soon as the model is there (`scoring_plan`): to
plan for all rounds that may come would refuse jobs whose models are a hundredth of that."""

OTHER_TEXT = 1 << 20
"""Guess of the bytes of a model that is not trained yet and is not LightGBM's: coefficients of a
hundred thousand features. A forest or a nearest-neighbour model may be larger; the plan of
``[score]`` is made again when the model is there."""

CLASSES = 10
"""Guess of the classes of a model that is not trained yet and does not name them."""


@dataclass(frozen=True)
class Scorer:
    """A model of ``[score]``, opened; or known only by the section that is about to train it.

    Attributes:
        reference: How the job file names it.
        wanted: What it needs of the data.
        model: What predicts; ``None``: this job is about to train it.
        version: What the reference stands for: the folder of a version. None before it is trained.
        task: Task that its ``prediction`` and ``probability`` columns follow; ``None``: no task
            is known, so that they cannot be combined with those of others.
        classes: Values of the label in the order of their codes, none when it is a number;
            ``None``: the training will find them.
        pipeline: Its features, where it has steps that look at earlier rows.
        size: Bytes of its text.
        trees: How many trees it has, at most.
        quantile: Which quantile of the label it predicts; ``None``: it does something else.
        target: Expression of the label that it learned; ``None``: not known.
        beside: What a worker holds of it beside its text and a predictor.
        loads: Whether it needs libraries beside LightGBM's predictor, or was trained with some.
    """

    reference: str
    wanted: Wanted
    model: Model | None = None
    version: str | None = None
    task: str | None = None
    classes: tuple[Class, ...] | None = ()
    pipeline: FittedPipeline | None = None
    size: int = 0
    trees: int = 0
    quantile: float | None = None
    target: str | None = None
    beside: tuple[Term, ...] = ()
    loads: bool = False

    @property
    def columns(self) -> Mapping[str, pl.DataType] | None:
        """Name and type of each column that it adds; None where only training will tell."""
        if self.model is not None:
            return self.model.columns
        if self.task is None or self.classes is None:
            return None
        return prediction_columns(self.task, self.classes)

    @property
    def guessed_columns(self) -> Mapping[str, pl.DataType]:
        """The same, with a guess where only training will tell."""
        guess = replace(self, classes=tuple(map(str, range(CLASSES))))
        return self.columns or guess.columns or {}

    def guessed_answers(self, asked: Asked) -> list[pl.DataType]:
        """Return types of what is asked beside predictions, where only training will tell."""
        if self.model is not None:
            return []
        guess = self.columns or self.guessed_columns
        kinds: list[pl.DataType] = [pl.Float64()] * (max(1, len(guess) - 1) if asked.raw else 0)
        if asked.explain == "all":
            return kinds + [pl.Float32()] * (self.wanted.width + 1)
        return kinds + [pl.String(), pl.Float32()] * (asked.explain or 0)

    @classmethod
    def of(cls, reference: str, folder: Path, bundle: Bundle, asked: Asked) -> Scorer:
        """Return the scorer of a model that millrace trained.

        Args:
            reference: How the job file names it.
            folder: Folder of its version.
            bundle: The model.
            asked: What is wanted of it.

        Raises:
            SpecError: Contributions are wanted of linear trees.
        """
        trees = bundle.model if isinstance(bundle.model, Trees) else None
        if asked.explain is not None and trees and trees.linear:
            raise SpecError(
                f"the trees of {reference} are linear, and contributions of such are not told",
                where="score.explain",
                hint="leave explain out, or train without linear_tree",
            )
        return cls(
            reference,
            Wanted.by(bundle),
            Bundled(bundle, asked),
            str(folder),
            bundle.task,
            bundle.classes or (),
            bundle.pipeline,
            sum(map(len, bundle.model.files().values())),
            trees.count if trees else 0,
            bundle.quantile,
            bundle.target,
            loads=held.needed(bundle.model),
        )

    @classmethod
    def awaited(cls, reference: str, training: Training) -> Scorer:
        """Return what is known of the model that this job is about to train."""
        spec, resolved, classes = training.spec, training.resolved, training.data.classes
        wanted = Wanted(
            resolved.inputs, resolved.width, resolved.lookback, training.rules(resolved.inputs)
        )
        unknown = spec.task == "multiclass" and not classes
        outputs = len(classes or range(CLASSES)) if spec.task == "multiclass" else 1
        trees = _trees(spec, outputs) if spec.boosts else 0
        return cls(
            reference,
            wanted,
            task=spec.task,
            classes=None if unknown else classes or (),
            size=_size(spec, outputs) + sum(one.size for one in training.borrowed.values()),
            trees=trees,
            quantile=spec.quantile,
            target=spec.target,
            beside=beside(training),
            loads=training.loads,
        )


def beside(training: Training) -> tuple[Term, ...]:
    """Return what a worker holds of a model that is not trained yet beside a predictor.

    Of an ensemble that is what all its parts need, libraries apart (`Training.loads`).
    """
    spec, rows = training.spec, training.dataset.rows
    parts = [spec]
    if spec.combines:
        parts = [spec.part(one) for _, one in parts_of(spec) if one.learns]
    terms = [
        term
        for one in parts
        if not one.boosts
        for term in held.scoring(assignment(one), training.own_width, rows)
    ]
    found: dict[str, int] = {}
    for term in terms:
        found[term.name] = found.get(term.name, 0) + term.bytes
    return tuple(Term(name, size) for name, size in found.items())


def _size(spec: TrainSpec, outputs: int) -> int:
    """Return the bytes of a model that is not trained yet; of an ensemble those of all members."""
    if spec.combines:
        parts = (spec.part(one) for _, one in parts_of(spec) if one.learns)
        return sum(_size(one, outputs) for one in parts)
    return _trees(spec, outputs) * _leaves(spec) * LEAF_TEXT if spec.boosts else OTHER_TEXT


def _trees(spec: TrainSpec, outputs: int) -> int:
    rounds = min(spec.rounds, STOPPED) if spec.early_stopping else spec.rounds
    return rounds * outputs


def _leaves(spec: TrainSpec) -> int:
    params = cast(Mapping[str, Any], checked(spec.lightgbm_params))
    return int(params.get("num_leaves", 31))


def open_scorer(reference: str, asked: Asked) -> Scorer:
    """Open a model of ``[score]``: the one place that knows which kinds of models there are.

    Args:
        reference: How the job file names it.
        asked: What is wanted of it.

    Raises:
        ModelError: There is no such model or version, or it is damaged.
        SpecError: It cannot answer what it is asked.
    """
    folder, bundle = open_model(reference)
    return Scorer.of(reference, folder, bundle, asked)


def asked_of(spec: PredictingSpec, key: str) -> Asked:
    """Return what ``[score]`` wants of one of its models, by its key; of a bound no more."""
    if key.startswith(INTERVAL):
        return Asked()
    return Asked(spec.threshold, spec.raw, spec.leaves, spec.explain)
