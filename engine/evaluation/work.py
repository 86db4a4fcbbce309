"""One partition measured: everybody on all parts, the model on every slice. Runs inside tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.evaluation.contestants import MODEL, Contestant
from engine.evaluation.measuring import Block
from engine.evaluation.scored import Evaluation
from engine.evaluation.slices import Slices
from engine.features.fitted import FittedPipeline
from engine.metrics import Scores
from engine.plan import Partition
from engine.reserved import ROW
from engine.split import LEFT_OUT, TRAIN, uniform
from engine.training.preparing import PARTS, Labelled, TrainingData, matrix

PREDICTED: Final = 1 << 21
"""Predicted numbers that are held at once: rows times outputs, 16 MiB of float64."""

_SEED = 0x0FF
"""Added to a seed, so that this and a random split of one seed draw different numbers."""


@dataclass(frozen=True)
class EvaluationWork:
    """What the tasks of an evaluation share.

    Attributes:
        data: The training data, with its split.
        pipeline: The fitted features.
        contestants: Who is measured; the model first.
        parts: Names of the parts to measure, such as ``("valid", "test")``.
        outputs: Numbers that a prediction has.
        learned: Whether the features were fitted on these training rows.
        share: Share of the training rows that is measured.
        seed: Of that draw.
        slices: What the model is measured by beside.
    """

    data: TrainingData
    pipeline: FittedPipeline
    contestants: tuple[Contestant, ...]
    parts: tuple[str, ...]
    outputs: int = 1
    learned: bool = True
    share: float = 1.0
    seed: int = 42
    slices: Slices | None = None

    def chosen(self, labelled: Labelled, part: str) -> npt.NDArray[np.bool_]:
        """Return which rows of a partition are measured as a part.

        Training rows are drawn by row number, those of a ranking by query. Those that balancing has
        left out are measured too: figures are of the classes as they are.
        """
        if part != "train":
            return np.asarray(labelled.parts == PARTS[part])
        rows = (labelled.parts == TRAIN) | (labelled.parts == LEFT_OUT)
        if self.share >= 1:
            return np.asarray(rows)
        query = labelled.vectors.query
        numbers = labelled.frame[ROW].to_numpy().astype(np.uint64) if query is None else query
        return np.asarray(rows & (uniform(numbers, self.seed + _SEED) < self.share))


def evaluate(work: EvaluationWork, partition: Partition) -> Evaluation:
    """Measure the labelled rows of one partition."""
    labelled = work.data.read(partition)
    total = Evaluation()
    for part in work.parts:
        for rows in _pieces(work.chosen(labelled, part), work.outputs):
            total = total.merge(_measured(work, labelled, part, rows))
    return total


def _pieces(chosen: npt.NDArray[np.bool_], outputs: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the numbers of the chosen rows, some at a time; once without any if there are none."""
    rows, most = np.flatnonzero(chosen), max(1, PREDICTED // outputs)
    for start in range(0, max(1, len(rows)), most):
        yield rows[start : start + most]


def _measured(
    work: EvaluationWork, labelled: Labelled, part: str, rows: npt.NDArray[np.intp]
) -> Evaluation:
    frame = labelled.frame[rows]
    x = matrix(work.pipeline, frame, training=part == "train" and work.learned)
    y = None if work.data.target is None else labelled.y[rows]
    query = None if labelled.vectors.query is None else labelled.vectors.query[rows]
    numbers = frame[ROW].to_numpy().astype(np.uint64)
    block = Block(y, np.empty(0), query, x if y is None else None, numbers)
    scores: dict[tuple[str, str], Scores] = {}
    slices: dict[tuple[int, int, str], Scores] = {}
    for one in work.contestants:
        said = one.model.predict(x)
        for name, calibration in one.told.items():
            told = block.saying(said if calibration is None else calibration.apply(said))
            scores[name, part] = one.measure.of(told)
            if name == MODEL and work.slices is not None and part in work.slices.parts:
                slices |= _sliced(work.slices, frame, part, told)
    return Evaluation(scores, slices)


def _sliced(
    slices: Slices, frame: pl.DataFrame, part: str, block: Block
) -> dict[tuple[int, int, str], Scores]:
    """Return the scores of every slice of a block."""
    return {
        (number, place, part): slices.measure.of(block.where(here))
        for number, slicing in enumerate(slices.slicings)
        for place, here in slicing.rows(slicing.values(frame))
    }
