"""In a worker: the sampled rows of a partition, and the estimator that learns from all of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows, RowSource, ShardPart
from engine.errors import MillraceError, TrainingFailed
from engine.learners.checked import Demands, labels, training_rows
from engine.learners.parameters import made
from engine.learners.sampled.draw import Draw
from engine.learners.sampled.names import Habit
from engine.models import Learned
from engine.models.neighbours import Neighbours
from engine.models.sklearn import Sklearn
from engine.models.skops_files import installed, packed
from engine.plan import Partition


@dataclass(frozen=True)
class DrawWork:
    """What the tasks that draw share.

    Attributes:
        source: Reads the rows.
        draw: Which are in.
        parts: Each partition by its index, and the place of its first training row among all.
        demands: What the estimator wants of rows.
    """

    source: RowSource
    draw: Draw
    parts: Mapping[int, tuple[ShardPart, int]]
    demands: Demands


def drawn(work: DrawWork, partition: Partition) -> Rows:
    """Return the training rows of a partition that are in the sample.

    Raises:
        ContractRefused: The estimator does not take them.
        TrainingFailed: There are more or fewer than were counted.
    """
    part, first = work.parts[partition.index]
    rows = training_rows(work.source, part, work.demands)
    if len(rows.x) != part.train:
        what = f"{part.train:,} training rows were counted, and {len(rows.x):,} are read"
        raise TrainingFailed(f"the data have changed: {what}", hint="run the job again")
    chosen = work.draw.chosen(first, part.train)
    weight = None if rows.weight is None else rows.weight[chosen]
    return Rows(rows.x[chosen], rows.y[chosen], weight)


@dataclass(frozen=True)
class FitWork:
    """A sample, and what learns from it.

    Attributes:
        rows: The sample.
        features: Names of the features.
        name: The estimator, for messages.
        path: Import path of its class.
        params: Its parameters, those that we set among them.
        task: What is learned.
        classes: Number of classes, 0 where there are none.
        seed: Of everything that draws.
        habit: How the estimator uses its sample.
    """

    rows: Rows
    features: tuple[str, ...]
    name: str
    path: str
    params: Mapping[str, Any]
    task: str
    classes: int
    seed: int
    habit: Habit


@dataclass(frozen=True)
class Fitted:
    """What came of it.

    Attributes:
        model: The fitted model.
        notes: What scikit-learn warned of.
        told: Facts for the provenance.
    """

    model: Learned
    notes: tuple[str, ...]
    told: Mapping[str, Any]


def fitted(work: FitWork, _: Partition) -> Fitted:
    """Fit the estimator to the sample.

    Raises:
        TrainingFailed: It failed, or the sample has one class alone.
    """
    estimator = made(work.path, work.params, work.seed)
    y = labels(work.rows, work.task)
    if work.classes and len(np.unique(y)) < 2:
        raise TrainingFailed(
            "all rows of the sample have the same class",
            where="train.sample_rows",
            hint="take a larger sample",
        )
    given = [] if work.task in ("clustering", "anomaly") else [y]
    weight = work.rows.weight
    weights = {} if weight is None else {"sample_weight": weight.astype(np.float64)}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            estimator.fit(work.rows.x.astype(work.habit.cell), *given, **weights)
        except MillraceError:
            raise
        except (ValueError, TypeError) as error:
            raise TrainingFailed(
                f"{work.name} failed: {error}", hint="look at train.params and train.sample_rows"
            ) from error
    model, told = _model(work, estimator)
    return Fitted(model, _heard(work.name, heard), told)


def _model(work: FitWork, estimator: Any) -> tuple[Learned, dict[str, Any]]:
    if work.habit.kept != "estimator":
        return _neighbours(work, estimator)
    if "n_jobs" in estimator.get_params(deep=False):
        # Threads add up in any order: what is said of a row would not be the same bits each time.
        estimator.set_params(n_jobs=None)
    model = Sklearn(
        packed(estimator, work.path),
        work.path,
        installed(),
        work.task,
        work.classes,
        work.features,
        work.habit.cell,
    )
    return model, {}


def _neighbours(work: FitWork, estimator: Any) -> tuple[Learned, dict[str, Any]]:
    """Return what scores rows by their nearest sample, for an estimator that cannot predict."""
    x, clusters = work.rows.x, np.asarray(estimator.labels_)
    told = {"clusters": int(clusters.max(initial=-1)) + 1, "noise": int((clusters < 0).sum())}
    if work.habit.kept == "samples":
        return Neighbours.of(x, np.maximum(clusters, -1)), told
    core: npt.NDArray[np.intp] = estimator.core_sample_indices_
    if not len(core):
        raise TrainingFailed(
            f"{work.name} finds no dense place in the sample: there is no cluster",
            where="train.params",
            hint=f"raise eps, which is {estimator.eps}, lower min_samples, or take a larger sample",
        )
    return Neighbours.of(x[core], clusters[core], float(estimator.eps)), told


def _heard(name: str, heard: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return scikit-learn's warnings, each once, in its words."""
    told = dict.fromkeys(
        " ".join(str(one.message).split())
        for one in heard
        if issubclass(one.category, UserWarning) and not issubclass(one.category, FutureWarning)
    )
    return tuple(f"{name}: {text}" for text in told)


def joined(pieces: list[Rows], width: int) -> Rows:
    """Return the rows of all pieces, one after the other."""
    if not pieces:
        return Rows(np.empty((0, width), np.float32), np.empty(0, np.float32))
    weights = [one.weight for one in pieces if one.weight is not None]
    first = replace(pieces[0], x=np.concatenate([one.x for one in pieces]))
    y = np.concatenate([one.y for one in pieces])
    return replace(first, y=y, weight=np.concatenate(weights) if weights else None)
