"""Scoring: one task a partition reads, checks, prepares, predicts and stages one part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.bundle import Bundle
from engine.classes import Class, text_of
from engine.history import History, read_with
from engine.part import rejected_of, stage
from engine.plan import Partition
from engine.predict import predictor
from engine.preparing import matrix
from engine.source import Source
from engine.staging import Run, Staged

PREDICTION, PROBABILITY = "prediction", "probability"
"""Names of the columns that scoring adds; of several classes each has a probability of its own,
such as ``probability_yes``."""


@dataclass(frozen=True)
class ScoringWork:
    """What the tasks of a scoring pass share.

    Attributes:
        source: The rows to score.
        bundle: The model.
        run: Where parts are staged.
        columns: Columns that are passed through, in front of the prediction.
        fail: A rejected row ends the job instead of going to quarantine.
        threshold: Probability above which a binary prediction is 1.
        history: What looks at earlier rows, if anything does.
    """

    source: Source
    bundle: Bundle
    run: Run
    columns: tuple[str, ...]
    fail: bool
    threshold: float
    history: History | None = None


def score(work: ScoringWork, partition: Partition) -> Staged:
    """Score the rows of one partition and stage them as one part.

    Returns:
        The staged part; rows read are scored, quarantined or filtered, and nothing else.

    Raises:
        ContractRefused: A row breaks the contract and bad rows were to fail the job.
    """
    pipeline = work.bundle.pipeline
    wanted = list(dict.fromkeys([*work.columns, *pipeline.inputs]))
    batch = read_with(work.history, work.source, partition, wanted)
    rejected = rejected_of(work.source, partition, batch, work.fail)
    scores = predictor(work.bundle.model).predict(matrix(pipeline, batch.good))
    passed = [batch.good[name] for name in work.columns]
    found = predictions(work.bundle.task, scores, work.threshold, work.bundle.classes or ())
    table = pl.DataFrame([*passed, *found])
    return stage(work.run, work.source, partition, batch, rejected, table)


def prediction_columns(task: str, classes: Sequence[Class] = ()) -> dict[str, pl.DataType]:
    """Return the name and the type of each column that scoring adds, in order.

    Args:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        classes: Values of the label in the order of their codes; none when it is a number.
    """
    if task in ("regression", "ranking"):
        return {PREDICTION: pl.Float32()}
    if task == "binary":
        return {PREDICTION: _kind(classes) if classes else pl.Int8(), PROBABILITY: pl.Float32()}
    names = (f"{PROBABILITY}_{text_of(label)}" for label in classes)
    return {PREDICTION: _kind(classes), **dict.fromkeys(names, pl.Float32())}


def predictions(
    task: str,
    scores: npt.NDArray[np.float64],
    threshold: float = 0.5,
    classes: Sequence[Class] = (),
) -> list[pl.Series]:
    """Return the prediction columns, as `prediction_columns` names them.

    Of two classes ``prediction`` is the second, or 1, when its probability is above the threshold;
    of several the most probable one, the first of equals. Of a ranking it is the raw score: only
    the order within a query means something.

    Args:
        task: What was learned.
        scores: Shape (n,), or (n, classes) for a multiclass task: what the model says.
        threshold: Probability above which a binary prediction is 1.
        classes: Values of the label in the order of their codes; none when it is a number.
    """
    columns = prediction_columns(task, classes)
    numbers = np.atleast_2d(scores.astype(np.float32).T).T
    if task in ("regression", "ranking"):
        return [pl.Series(PREDICTION, numbers[:, 0])]
    codes = scores.argmax(axis=1) if task == "multiclass" else scores > threshold
    labels = pl.Series(classes or (0, 1), dtype=columns[PREDICTION])
    chosen = labels.gather(codes.astype(np.uint32)).alias(PREDICTION)
    names = list(columns)[1:]
    return [chosen, *(pl.Series(name, numbers[:, at]) for at, name in enumerate(names))]


def _kind(classes: Sequence[Class]) -> pl.DataType:
    """Return the type of a column of classes."""
    if all(isinstance(label, bool) for label in classes):
        return pl.Boolean()
    return pl.Int64() if all(isinstance(label, int) for label in classes) else pl.String()
