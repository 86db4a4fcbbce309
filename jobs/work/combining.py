"""The models of ``[score]`` as one: side by side, and combined where that means something."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import polars as pl

from engine.bundle import DECIDES
from engine.classes import listed
from engine.errors import SpecError
from engine.schema import lossless, named_type, type_name
from engine.scoring import Interval, Mean, Model, Several, Stacked, named
from jobs.spec.predicting import PredictingSpec, key_of
from jobs.work.bounds import LOWER, UPPER
from jobs.work.scorer import Scorer

_PLACE = "score.combine"

_RANKED = "scores of a ranking only order the rows of a query"


def combined(spec: PredictingSpec, scorers: Mapping[str, Scorer]) -> Model:
    """Return the model that a section asks for.

    Args:
        spec: The section.
        scorers: Its models by key, all of them trained.

    Raises:
        SpecError: Two columns would have one name.
    """
    models = {key: scorer.model for key, scorer in scorers.items() if scorer.model}
    if spec.interval is not None:
        return Interval(models["model"], models[LOWER], models[UPPER])
    if spec.models is None:
        (model,) = models.values()
        return model
    side_by_side = {name: models[key_of(name)] for name in spec.models}
    if spec.averages:
        one = scorers[key_of(next(iter(spec.models)))]
        weights = {name: spec.weights.get(name, 1.0) for name in spec.models}
        threshold = DECIDES if spec.threshold is None else spec.threshold
        mean = Mean(weights, one.task or "", one.classes or (), threshold)
        return Several(side_by_side, mean)
    if spec.combine:
        stack = Stacked(models["combine"], kinds(scorers["combine"], added(spec, scorers)))
        return Several(side_by_side, stack)
    return Several(side_by_side)


def added(spec: PredictingSpec, scorers: Mapping[str, Scorer]) -> dict[str, pl.DataType]:
    """Return the columns of a table of models, so far as they are known."""
    return {
        named(column, name): kind
        for name in spec.models or {}
        for column, kind in (scorers[key_of(name)].columns or {}).items()
    }


def assert_combine(spec: PredictingSpec, scorers: Mapping[str, Scorer]) -> None:
    """Refuse combinations that mean nothing, before anything is trained.

    Raises:
        SpecError: The mean of different tasks or classes, or of a ranking, is asked for; classes
            are not known before the training; a model cannot read what the others add.
    """
    if spec.combine is None:
        return
    for key, scorer in scorers.items():
        if scorer.columns is None:
            raise SpecError(
                "which columns this model adds is known only when it is trained",
                where=f"score.{key}",
                hint="name the classes: train.classes",
            )
    if spec.averages:
        _assert_mean(scorers)
    else:
        kinds(scorers["combine"], added(spec, scorers))


def _assert_mean(scorers: Mapping[str, Scorer]) -> None:
    for key, scorer in scorers.items():
        if scorer.task in (None, "ranking"):
            why = _RANKED if scorer.task else "nobody knows what its columns mean"
            raise SpecError(
                f"there is no mean of models such as this one: {why}",
                where=f"{_PLACE} and score.{key}",
                hint="leave combine out: each model has columns of its own",
            )
    for (first, one), (second, other) in pairwise(scorers.items()):
        if (one.task, one.classes) != (other.task, other.classes):
            raise SpecError(
                f"there is no mean of different labels: {_label(one)} and {_label(other)}",
                where=f"{_PLACE}, score.{first} and score.{second}",
                hint="leave combine out: each model has columns of its own",
            )


def _label(scorer: Scorer) -> str:
    classes = f" of {listed(map(str, scorer.classes))}" if scorer.classes else ""
    return f"{scorer.task}{classes}"


def kinds(stack: Scorer, added: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return which columns of the others a model reads, and in which types it was trained on them.

    Its own rules for their values are not looked at: the other models made them.

    Args:
        stack: The model that combines.
        added: Columns of the others.

    Raises:
        SpecError: A column is of a type that is not always one that it was trained on, or it reads
            none of them.
    """
    found: dict[str, pl.DataType] = {}
    for name in stack.wanted.inputs:
        if name not in added:
            continue
        rule = stack.wanted.rules.get(name)
        kind = named_type(rule.type, _PLACE) if rule and rule.type else added[name]
        if not lossless(added[name], kind):
            raise SpecError(
                f"{stack.reference} was trained on {name!r} as {type_name(kind)}, "
                f"and it is {type_name(added[name])} here",
                where=_PLACE,
                hint="train it on columns that [score] wrote with models of these tasks",
            )
        found[name] = kind
    if not found:
        raise SpecError(
            f"{stack.reference} reads no column of the models that it is to combine",
            where=_PLACE,
            hint=f"it has to be trained on columns such as {', '.join(list(added)[:3])}",
        )
    return found
