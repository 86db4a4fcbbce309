"""What a model is worth on the validation and test rows, against a constant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from distributed import Client

from engine.bundle import Bundle
from engine.execute import Done, in_order, over_partitions
from engine.metrics import Measure, Scores
from engine.metrics.residuals import Residuals
from engine.plan import Partition
from engine.predict import predictor
from engine.preparing import PARTS, TrainingData, matrix
from engine.survey import Survey


@dataclass(frozen=True)
class EvaluationWork:
    """What the tasks of an evaluation share.

    Attributes:
        data: The training data, with its split.
        bundle: The model.
        parts: Names of the parts to score, such as ``("valid", "test")``.
        constant: The baseline's prediction, for each output of the model: see `constant`.
        measure: How rows are measured.
    """

    data: TrainingData
    bundle: Bundle
    parts: tuple[str, ...]
    constant: tuple[float, ...]
    measure: Measure | Residuals

    def baseline(self, rows: int) -> npt.NDArray[np.float64]:
        """Return the baseline's predictions, shape (rows,) or (rows, classes)."""
        several = len(self.constant) > 1
        return np.tile(self.constant, (rows, 1)) if several else np.full(rows, self.constant[0])


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

    def curves(self) -> dict[str, dict[str, Any]]:
        """Return what a report draws of the model's scores: by figure, and then by part."""
        found: dict[str, dict[str, Any]] = {}
        for part, scores in self.model.items():
            for figure, values in scores.curves().items():
                found.setdefault(figure, {})[part] = values
        return found


def constant(bundle: Bundle, survey: Survey) -> tuple[float, ...]:
    """Return the prediction that is best for a model that knows no feature.

    Of a multiclass task that is the share of each class in the training rows, of a ranking one
    score for all, of others the mean label. (For a quantile or an absolute loss another constant
    would do a little better; the mean is what R² compares with, too.)

    Args:
        bundle: The model.
        survey: What was found of the training rows.
    """
    if bundle.task == "ranking":
        return (0.0,)
    if bundle.task != "multiclass":
        return (survey.target.mean,)
    labels = survey.labels["train"]
    return tuple(labels.count(code) / labels.rows for code in range(len(bundle.classes or ())))


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
    empty = {name: work.measure.empty() for name in work.parts}
    total = Evaluation(empty, empty)
    finished = over_partitions(client, evaluate, work, partitions, threads=threads)
    for done in in_order(finished, partitions):
        progress(done)
        total = total.merge(done.result)
    return total


def evaluate(work: EvaluationWork, partition: Partition) -> Evaluation:
    """Score the labelled rows of one partition."""
    labelled = work.data.read(partition)
    bundle, measure = work.bundle, work.measure
    predict = predictor(bundle.model).predict
    model: dict[str, Scores] = {}
    baseline: dict[str, Scores] = {}
    for name in work.parts:
        chosen = labelled.parts == PARTS[name]
        y, query = labelled.y[chosen], labelled.vectors.of(chosen).query
        x = matrix(bundle.pipeline, labelled.frame.filter(chosen))
        model[name] = measure.of(y, bundle.calibrated(predict(x)), query)
        baseline[name] = measure.of(y, work.baseline(len(y)), query)
    return Evaluation(model, baseline)


def _merged(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one[name].merge(two[name]) for name in one}
