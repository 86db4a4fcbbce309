"""Measuring a model beside others, on parts of the data and on slices."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.models import asking, predictor
from engine.memory.passes import MATRIX_CELL, WORKER, Shape, opening, reading
from engine.plan import Term

COUNTED = 64
"""Bytes a predicted number while it is counted: its key, labels and counts, sorted and grouped
(measured over a million rows: 61 of two classes and of odd rows, 29 of seven classes, 32 of a
regression by three losses)."""

KEY = 20
"""Bytes of a distinct score that is kept: a key of 4 and two counts of 8."""

MOST_KEYS = 1 << 20
"""Distinct scores that are kept of the model on a part (`engine.metrics.histogram.LIMIT`)."""

MERGED = 2
"""Those of a partition are held as they were and as they are merged."""

CLASSES = 20
"""Classes up to which scores of each against the rest are kept (`engine.metrics.multiclass`)."""

PREDICTED = 1 << 21
"""Predicted numbers that are held at once (`engine.evaluation.work`)."""

COPIES = 6
"""Copies of them, of 8 bytes, while they are made, calibrated and measured."""


@dataclass(frozen=True)
class Measured:
    """What is measured in a pass.

    Attributes:
        told: How many sets of predictions: the model's, perhaps before and after a calibration,
            and those of the baselines.
        parts: Parts of the data.
        slices: Slices of which the model's scores are kept, of all columns and parts together.
        slicings: Columns and expressions that rows are sliced by.
        outputs: Numbers that a prediction has.
        slice_keys: Distinct scores that are kept of a slice.
        sampled: Rows of features that are kept for what cannot be merged.
    """

    told: int = 1
    parts: int = 1
    slices: int = 0
    slicings: int = 0
    outputs: int = 1
    slice_keys: int = 0
    sampled: int = 0

    def scores(self, rows: int) -> int:
        """Return the bytes of the scores of so many rows, at most.

        A row has one key in each set of predictions, and one in each slicing; of a few classes, as
        many as there are.
        """
        keys = self.told * min(rows, self.parts * MOST_KEYS)
        keys += min(rows * self.slicings, self.slices * self.slice_keys)
        table = self.outputs**2 * 8 if self.outputs > 1 else 0
        tables = (self.told * self.parts + self.slices) * table
        return keys * min(self.outputs, CLASSES) * KEY + tables


def evaluation(shape: Shape, asked: Measured | None = None) -> tuple[Term, ...]:
    """Return the terms of measuring a model.

    Args:
        shape: The pass.
        asked: What is measured; None: the model alone, on one part.
    """
    asked = asked or Measured()
    rows = max((part.rows for part in shape.partitions), default=0)
    at_once = min(rows * asked.outputs, max(PREDICTED, asked.outputs))
    kept = asked.scores(rows)
    sampled = asked.parts * min(rows, asked.sampled) * shape.features * MATRIX_CELL
    return (
        Term("worker process", WORKER),
        *predictor(shape),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("predictions of some rows", shape.threads * at_once * 8 * COPIES),
        Term("scores while they are counted", shape.threads * at_once * COUNTED),
        Term("scores of a partition", shape.threads * MERGED * (kept + sampled)),
    )


def crossing(shape: Shape, models: int, text: int) -> tuple[Term, ...]:
    """Return the terms of measuring the models of several folds in one pass.

    Args:
        shape: The pass.
        models: How many they are; the worker has all of them.
        text: Bytes of the text of one.
    """
    return (
        *evaluation(shape),
        *asking(models, text)[1:],
    )
