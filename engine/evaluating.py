"""What a model is worth on the validation and test rows, against a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Client

from engine.bundle import Bundle
from engine.execute import Done, in_order, over_partitions
from engine.metrics.scores import BinaryScores, Scores, scores_for
from engine.plan import Partition
from engine.predict import predictor
from engine.preparing import PARTS, TrainingData, matrix

ROC_POINTS = 200
"""Points of a stored ROC curve."""


@dataclass(frozen=True)
class EvaluationWork:
    """What the tasks of an evaluation share.

    Attributes:
        data: The training data, with its split.
        bundle: The model.
        parts: Names of the parts to score, such as ``("valid", "test")``.
        constant: The baseline's prediction: the mean label of the training rows.
    """

    data: TrainingData
    bundle: Bundle
    parts: tuple[str, ...]
    constant: float


@dataclass(frozen=True)
class Evaluation:
    """Mergeable scores of the model and of the baseline, by part."""

    model: Mapping[str, Scores]
    baseline: Mapping[str, Scores]

    def merge(self, other: Evaluation) -> Evaluation:
        """Return the scores of both sets of rows."""
        return Evaluation(_merged(self.model, other.model), _merged(self.baseline, other.baseline))

    def results(self) -> dict[str, dict[str, Any]]:
        """Return metrics by part; ``baseline_<part>`` stands beside each."""
        own = {name: scores.results() for name, scores in self.model.items()}
        return own | {f"baseline_{name}": s.results() for name, s in self.baseline.items()}

    def curves(self) -> dict[str, Any]:
        """Return what a report draws: ROC curve and calibration of each part, for binary tasks."""
        binary = {n: s for n, s in self.model.items() if isinstance(s, BinaryScores)}
        roc = {}
        for name, scores in binary.items():
            false_rate, true_rate = scores.histogram.roc(ROC_POINTS)
            roc[name] = [false_rate.tolist(), true_rate.tolist()]
        calibration = {
            name: [[b.rows, b.predicted, b.observed] for b in scores.calibration()]
            for name, scores in binary.items()
        }
        return {"roc": roc, "calibration": calibration}


def run(
    client: Client,
    work: EvaluationWork,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Callable[[Done[Evaluation]], None],
) -> Evaluation:
    """Measure the model on the cluster.

    Args:
        client: An open Dask client.
        work: What the tasks share.
        partitions: Partitions that hold rows of the parts in question.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
    """
    kind = scores_for(work.bundle.task)
    empty = {name: kind() for name in work.parts}
    total = Evaluation(empty, empty)
    finished = over_partitions(client, evaluate, work, partitions, threads=threads)
    for done in in_order(finished, partitions):
        progress(done)
        total = total.merge(done.result)
    return total


def evaluate(work: EvaluationWork, partition: Partition) -> Evaluation:
    """Score the labelled rows of one partition."""
    labelled = work.data.read(partition)
    kind = scores_for(work.bundle.task)
    predict = predictor(work.bundle.model).predict
    model: dict[str, Scores] = {}
    baseline: dict[str, Scores] = {}
    for name in work.parts:
        chosen = labelled.parts == PARTS[name]
        y = labelled.y[chosen]
        x = matrix(work.bundle.pipeline, labelled.frame.filter(chosen))
        model[name] = kind.of(y, predict(x))
        baseline[name] = kind.of(y, np.full(len(y), work.constant))
    return Evaluation(model, baseline)


def _merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name].merge(two[name]) for name in one}
