"""What models are worth on the rows that their folds hold out, some folds a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from distributed import Client

from engine.features.fitted import FittedPipeline
from engine.folds import Fold
from engine.metrics import Measure, Scores
from engine.models import Learned
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import VALID
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.preparing import TrainingData, matrix

AT_ONCE = 16
"""Folds whose models are at work in one pass: a process keeps 20 predictors (`engine.predict`)."""


@dataclass(frozen=True)
class Held:
    """A model that has not seen the rows that its fold holds out.

    Attributes:
        fold: The fold.
        pipeline: The features that it was trained on.
        model: What was fitted on the other folds.
    """

    fold: Fold
    pipeline: FittedPipeline
    model: Learned


@dataclass(frozen=True)
class CrossValidationWork:
    """What the tasks of the pass share.

    Attributes:
        data: The training data.
        held: A model of every fold.
        measure: How rows are measured.
    """

    data: TrainingData
    held: tuple[Held, ...]
    measure: Measure


@dataclass(frozen=True)
class CrossValidated:
    """Scores of every fold, on the rows that it holds out.

    Attributes:
        folds: The folds, in order.
        scores: Their scores, exact and mergeable.
    """

    folds: tuple[Fold, ...]
    scores: tuple[Scores, ...]

    def results(self) -> dict[str, Any]:
        """Return what was found as JSON values.

        ``folds`` are the metrics of each fold, with its ``fold`` and ``repeat``, from 1; ``mean``
        and ``std`` are those of the folds (``std`` with n - 1; NaN of a single one);
        ``out_of_fold``, for each repeat, are the metrics of all held-out rows together.
        """
        each = [one.results() for one in self.scores]
        names = [name for name in each[0] if name != "rows"]
        values = {name: np.array([one[name] for one in each], np.float64) for name in names}
        told = [
            {"fold": fold.number + 1, "repeat": fold.repeat + 1, **one}
            for fold, one in zip(self.folds, each, strict=True)
        ]
        return {
            "folds": told,
            "mean": {name: float(one.mean()) for name, one in values.items()},
            "std": {name: float(one.std(ddof=1)) for name, one in values.items()},
            "out_of_fold": [scores.results() for scores in self.together()],
        }

    def together(self) -> list[Scores]:
        """Return the scores of all held-out rows of each repeat."""
        repeats = dict.fromkeys(fold.repeat for fold in self.folds)
        by_repeat = (
            [s for fold, s in zip(self.folds, self.scores, strict=True) if fold.repeat == repeat]
            for repeat in repeats
        )
        return [reduce(lambda a, b: a.merge(b), scores) for scores in by_repeat]


def run(
    client: Client,
    work: CrossValidationWork,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Callable[[Done[Any]], None],
) -> CrossValidated:
    """Measure the models of all folds on the cluster.

    Args:
        client: An open Dask client.
        work: What the tasks share.
        partitions: Partitions that hold training rows.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
    """
    found: list[Scores] = []
    for start in range(0, len(work.held), AT_ONCE):
        some = work.held[start : start + AT_ONCE]
        total = [work.measure.empty() for _ in some]
        share = replace(work, held=some)
        done = over_partitions(client, evaluate, share, partitions, threads=threads)
        for one in in_order(done, partitions):
            progress(one)
            total = [before.merge(new) for before, new in zip(total, one.result, strict=True)]
        found += total
    return CrossValidated(tuple(one.fold for one in work.held), tuple(found))


def evaluate(work: CrossValidationWork, partition: Partition) -> list[Scores]:
    """Score the held-out rows of one partition, fold by fold. Runs inside a task."""
    labelled = replace(work.data, split=work.held[0].fold).read(partition)
    found = []
    for held in work.held:
        chosen = held.fold.assign(labelled.frame, labelled.frame[ROW]) == VALID
        x = matrix(held.pipeline, labelled.frame.filter(chosen))
        query = labelled.vectors.of(chosen).query
        found.append(work.measure.of(labelled.y[chosen], held.model.predict(x), query))
    return found
