"""The columns that scoring adds, for every task: names, types and values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.classes import Class, text_of

PREDICTION, PROBABILITY = "prediction", "probability"
"""Names of the columns that scoring adds; of several classes each has a probability of its own,
such as ``probability_yes``."""

DISTANCE, SCORE, COMPONENT = "distance", "score", "component"
"""The same of clusters, of anomalies, and of components, such as ``component_1``."""

RAW, LEAVES = "raw", "leaves"
"""Names of the columns of raw scores, of several classes ``raw_yes``, and of leaf numbers."""


def prediction_columns(
    task: str, classes: Sequence[Class] = (), outputs: int = 1
) -> dict[str, pl.DataType]:
    """Return the name and the type of each column that scoring adds, in order.

    Args:
        task: One of `engine.learners.estimator.Task`.
        classes: Values of the label in the order of their codes; none when it is a number.
        outputs: Components of a reduction.
    """
    if task in ("regression", "ranking"):
        return {PREDICTION: pl.Float32()}
    if task == "clustering":
        return {PREDICTION: pl.Int32(), DISTANCE: pl.Float32()}
    if task == "anomaly":
        return {PREDICTION: pl.Int8(), SCORE: pl.Float32()}
    if task == "reduction":
        return {f"{COMPONENT}_{number + 1}": pl.Float32() for number in range(outputs)}
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

    Of a clustering ``prediction`` is the cluster, -1 for none, with the distance to its centre; of
    an anomaly task it is 1 for a row whose ``score`` is above 0; a reduction has its components.

    Of two classes ``prediction`` is the second, or 1, when its probability is above the threshold;
    of several the most probable one, the first of equals. Of a ranking it is the raw score: only
    the order within a query means something.

    Args:
        task: What was learned.
        scores: What the model says; see `engine.models.learned.Scores`.
        threshold: Probability above which a binary prediction is 1.
        classes: Values of the label in the order of their codes; none when it is a number.
    """
    if task in ("clustering", "anomaly", "reduction"):
        return _without_label(task, scores)
    columns = prediction_columns(task, classes)
    numbers = np.atleast_2d(scores.astype(np.float32).T).T
    if task in ("regression", "ranking"):
        return [pl.Series(PREDICTION, numbers[:, 0])]
    codes = scores.argmax(axis=1) if task == "multiclass" else scores > threshold
    labels = pl.Series(classes or (0, 1), dtype=columns[PREDICTION])
    if labels.dtype == pl.String:
        chosen = labels.gather(codes.astype(np.uint32)).alias(PREDICTION)
    else:  # without a wait for a thread of Polars
        chosen = pl.Series(PREDICTION, labels.to_numpy()[codes.astype(np.intp)])
    names = list(columns)[1:]
    return [chosen, *(pl.Series(name, numbers[:, at]) for at, name in enumerate(names))]


def _without_label(task: str, scores: npt.NDArray[np.float64]) -> list[pl.Series]:
    """Return the columns of a task that has no label."""
    columns = prediction_columns(task, outputs=scores.shape[-1])
    if task == "reduction":
        found = list(scores.T)
    elif task == "clustering":
        found = [scores[:, 0], scores[:, 1]]
    else:
        found = [scores > 0, scores]
    return [
        pl.Series(name, np.ascontiguousarray(one)).cast(kind).fill_nan(None)
        if kind.is_float()
        else pl.Series(name, np.ascontiguousarray(one)).cast(kind)
        for (name, kind), one in zip(columns.items(), found, strict=True)
    ]


def raw_columns(task: str, classes: Sequence[Class] = ()) -> list[str]:
    """Return the names of the columns of raw scores, in order; arguments as `prediction_columns`.

    Each is float64: the bits of ``Booster.predict(raw_score=True)``.
    """
    return [f"{RAW}_{text_of(label)}" for label in classes] if task == "multiclass" else [RAW]


def _kind(classes: Sequence[Class]) -> pl.DataType:
    """Return the type of a column of classes."""
    if all(isinstance(label, bool) for label in classes):
        return pl.Boolean()
    return pl.Int64() if all(isinstance(label, int) for label in classes) else pl.String()
