"""What ``[tune]`` asks of ``[train]``, whose parameters it looks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.boosting.params.names import ALIASES
from engine.errors import SpecError
from engine.learners import LIGHTGBM
from engine.metrics.measure import Measure
from jobs.spec.problems import Problem
from jobs.spec.train import TrainSpec
from jobs.spec.tune import HALVING, TuneSpec

_MAIN = {alias: main for main, aliases in ALIASES.items() for alias in (main, *aliases)}


def least_rounds(tune: TuneSpec, train: TrainSpec) -> int:
    """Return the boosting rounds that each trial of halving has."""
    return tune.least_rounds or max(1, train.rounds // tune.one_in**3)


def metric_of(tune: TuneSpec, train: TrainSpec) -> Measure:
    """Return what trials are measured by; its first followed metric decides.

    Raises:
        SpecError: The task does not have the metric.
    """
    return replace(train.measure, metric=tune.metric or train.metric)


def tuning_problems(tune: TuneSpec, train: TrainSpec | None) -> Iterator[Problem]:
    """Yield what of ``[tune]`` does not go with ``[train]``.

    Args:
        tune: What is tried.
        train: What is trained with the best of it, if anything.
    """
    if train is None:
        yield Problem(("tune",), "finds the parameters of [train], which is not there")
        return
    if not train.boosts:
        what = f'tunes train.estimator = "{LIGHTGBM}", and this one is "{train.estimator}"'
        yield Problem(("tune",), what)
        return
    if train.init is not None:
        yield Problem(("tune",), "does not go with train.init: tune when the model is begun")
    if tune.folds is None and not (train.split and train.split.has_valid):
        yield Problem(("tune",), "needs rows to measure on: give tune.folds, or train.split.valid")
    yield from _parameters(tune, train)
    yield from _metric(tune, train)
    least = least_rounds(tune, train)
    if tune.method in HALVING and least * tune.one_in > train.rounds:
        what = f"leaves no rung: {train.rounds} rounds are less than {tune.one_in} times {least}"
        yield Problem(("tune", "least_rounds"), what)


def _parameters(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    given = {_MAIN.get(name, name): name for name in train.params}
    for name in tune.space:
        main = _MAIN.get(name, name)
        if main in given:
            what = f"train.params gives {given[main]!r} already: keep one of them"
            yield Problem(("tune", "space", name), what)
        if main == "learning_rate" and train.schedule is not None:
            what = "does not go with train.schedule, which says the rates"
            yield Problem(("tune", "space", name), what)


def _metric(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    try:
        metric_of(tune, train)
    except SpecError as error:
        if tune.metric is not None and error.where == "train.metric":
            yield Problem(("tune", "metric"), f"{error.what}; {error.hint}")
