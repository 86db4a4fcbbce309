"""What ``[tune]`` asks of ``[train]``, whose parameters it looks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from engine.boosting.params.given import refusals
from engine.boosting.params.names import ALIASES
from engine.errors import SpecError
from engine.learners import LIGHTGBM
from engine.metrics.measure import Measure
from engine.tuning.boosted.fixed import fixed_params
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
    if train.combines:
        what = f"tunes one estimator, and {train.estimator} is made of several: tune each of its "
        yield Problem(("tune",), what + "members in a job of its own")
        return
    if train.init is not None:
        yield Problem(("tune",), "does not go with train.init: tune when the model is begun")
    if tune.folds is None and not (train.split and train.split.has_valid):
        yield Problem(("tune",), "needs rows to measure on: give tune.folds, or train.split.valid")
    yield from _folds(tune, train)
    yield from _given(tune, train)
    yield from _metric(tune, train)
    yield from (_boosting if train.boosts else _others)(tune, train)


def _folds(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    folds = tune.folds
    if folds is None:
        return
    if train.task == "ranking" and folds.by in ("random", "stratified"):
        what = f'cuts queries apart; keep them whole with by = "group", column = "{train.query}"'
        yield Problem(("tune", "folds", "by"), what)
    if not train.labelled and folds.by == "stratified" and folds.column is None:
        what = f'is required: task = "{train.task}" has no label to stratify by'
        yield Problem(("tune", "folds", "column"), what)


def _boosting(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    """Look for what LightGBM does not know or cannot differ from trial to trial, and for rungs."""
    ends = tune.ends
    found = dict(refusals({name: values[0] for name, values in ends.items()}))
    for name, values in ends.items():
        found |= {n: w for value in values for n, w in refusals({name: value}) if n not in found}
    found |= {n: f"cannot be tuned: {why}" for n, why in fixed_params(tune.space).items()}
    yield from (Problem(("tune", "space", name), what) for name, what in found.items())
    least = least_rounds(tune, train)
    if tune.method in HALVING and least * tune.one_in > train.rounds:
        what = f"leaves no rung: {train.rounds} rounds are less than {tune.one_in} times {least}"
        yield Problem(("tune", "least_rounds"), what)


def _others(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    """Look for what goes with boosting alone, and for tasks that nothing can be searched by.

    Parameters are looked at when the data are opened, as those of ``[train]``: that takes
    scikit-learn.
    """
    if tune.method in HALVING:
        what = f'compares trials after boosting rounds, and {train.estimator} has none: take "tpe"'
        yield Problem(("tune", "method"), what)
    if tune.early_stopping is not None:
        yield Problem(("tune", "early_stopping"), f'goes with estimator = "{LIGHTGBM}"')
    if train.task == "anomaly":
        what = 'looks for the best metric, and task = "anomaly" has none: its rows have no labels'
        yield Problem(("tune",), what)
    if train.task == "clustering" and tune.metric is None and train.metric is None:
        what = 'is required with task = "clustering", such as "silhouette": the inertia, which is '
        yield Problem(("tune", "metric"), what + "its first metric, falls with every cluster more")


def _given(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    known = _MAIN if train.boosts else {}
    given = {known.get(name, name): name for name in train.params}
    for name in tune.space:
        main = known.get(name, name)
        if main in given:
            what = f"train.params gives {given[main]!r} already: keep one of them"
            yield Problem(("tune", "space", name), what)
        if train.boosts and main == "learning_rate" and train.schedule is not None:
            what = "does not go with train.schedule, which says the rates"
            yield Problem(("tune", "space", name), what)


def _metric(tune: TuneSpec, train: TrainSpec) -> Iterator[Problem]:
    try:
        metric_of(tune, train)
    except SpecError as error:
        if tune.metric is not None and error.where == "train.metric":
            yield Problem(("tune", "metric"), f"{error.what}; {error.hint}")
