"""Training rows: read with their labels and parts, and as matrices. Runs inside tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.boosting.source import Rows
from engine.expression import columns_of, computed, sql
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import derived_for, with_derived
from engine.history import History, read_with
from engine.plan import Partition
from engine.reserved import ROW, TARGET
from engine.source import Batch, Source
from engine.split import TEST, TRAIN, VALID, Split, fold_draws

PARTS: Mapping[str, int] = {"train": TRAIN, "valid": VALID, "test": TEST}

TARGET_KEY = "target"
"""Where the label's expression stands in the job file: in ``[train]`` or ``[prepare]``."""


@dataclass(frozen=True)
class Labelled:
    """The good rows of a partition that have a label.

    Attributes:
        frame: Rows with the columns that were asked for, `ROW`, and what an encoding by the label
            needs of training rows: ``TARGET`` and ``DRAW``.
        y: Labels, float32, shape (rows,).
        parts: Train, validation or test, shape (rows,).
        unlabelled: Good rows without a label; they are left out of ``frame``.
        batch: The partition as it was read.
    """

    frame: pl.DataFrame
    y: npt.NDArray[np.float32]
    parts: npt.NDArray[np.uint8]
    unlabelled: int
    batch: Batch


@dataclass(frozen=True)
class TrainingData:
    """Where training rows come from and what their label is.

    Attributes:
        source: The data set.
        target: SQL expression of the label; a column name is one. ``None``: there is none, and
            every row counts as labelled, with 0.
        split: Which rows are for training, validation and test.
        inputs: Columns that the features are made from.
        derive: Derived columns that the target may name.
        seed: Of the draws that give rows to folds.
        history: What looks at earlier rows, if anything does; known when partitions are.
    """

    source: Source
    target: str | None
    split: Split
    inputs: tuple[str, ...]
    derive: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    history: History | None = None

    @property
    def columns(self) -> list[str]:
        """Return the columns of the data that are read for training."""
        asked = dict.fromkeys([*self.inputs, *self.target_columns, *self.split.columns])
        return [name for name in asked if name != TARGET]

    @property
    def made(self) -> list[str]:
        """Return the columns that rows have beside those of the data: made of earlier rows."""
        return self.history.made if self.history else []

    @property
    def target_columns(self) -> list[str]:
        """Return the columns of the data that the label is made of."""
        wanted, pending = [], columns_of(self.target, TARGET_KEY) if self.target else []
        while pending:
            name = pending.pop(0)
            if name in self.derive:
                pending += columns_of(self.derive[name], f"features.derive.{name}")
            else:
                wanted.append(name)
        return list(dict.fromkeys(wanted))

    def read(self, partition: Partition) -> Labelled:
        """Read the rows of a partition with their labels and parts."""
        batch = read_with(self.history, self.source, partition, self.columns)
        y = self.labels(batch.good)
        known = y.is_not_null()
        y = y.filter(known)
        frame = self.marked(batch.good.filter(known), y)
        parts = self.split.assign(frame, frame[ROW])
        return Labelled(frame, y.to_numpy(), parts, known.len() - frame.height, batch)

    def labels(self, good: pl.DataFrame) -> pl.Series:
        """Return the label of each row, float32; null where it has none."""
        if self.target is None:
            return pl.Series("y", np.zeros(good.height, np.float32))
        label = sql(self.target, TARGET_KEY).cast(pl.Float32).fill_nan(None).alias("y")
        derive = derived_for(self.derive, columns_of(self.target, TARGET_KEY))
        return computed(lambda lazy: with_derived(lazy, derive).select(label), good).to_series()

    def marked(self, good: pl.DataFrame, y: pl.Series) -> pl.DataFrame:
        """Add what an encoding by the label needs of training rows: ``TARGET`` and ``DRAW``."""
        return good.with_columns(y.cast(pl.Float64).alias(TARGET), fold_draws(good[ROW], self.seed))


@dataclass(frozen=True)
class MatrixSource:
    """Reads a partition as the matrices that LightGBM trains on.

    Attributes:
        data: The training data.
        pipeline: The fitted features.
    """

    data: TrainingData
    pipeline: FittedPipeline
    _kept: dict[int, Labelled] = field(default_factory=dict, compare=False, repr=False)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order of the matrix."""
        return self.pipeline.features

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the features that hold category codes."""
        return tuple(self.pipeline.categorical)

    @property
    def vectors(self) -> frozenset[str]:
        """Which of ``weight``, ``init`` and ``query`` its rows have."""
        return frozenset()

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the labelled rows of one part (``train`` or ``valid``).

        Both parts of a partition are asked for one after the other, training first: it is read
        once and kept in between.
        """
        labelled = self._kept.pop(partition.index, None) or self.data.read(partition)
        chosen = labelled.parts == PARTS[part]
        if part == "train" and (labelled.parts == VALID).any():
            self._kept[partition.index] = labelled
        frame = labelled.frame.filter(chosen)
        return Rows(matrix(self.pipeline, frame, part == "train"), labelled.y[chosen])


def matrix(
    pipeline: FittedPipeline, frame: pl.DataFrame, training: bool = False
) -> npt.NDArray[np.float32]:
    """Return the features of rows as a float32 matrix, C order, NaN where missing.

    Args:
        pipeline: The fitted features.
        frame: Rows with its inputs.
        training: Whether the pipeline was fitted on these rows.
    """
    features = pipeline.transform(frame, training)
    if not features.width:
        return np.empty((frame.height, 0), np.float32)
    return features.to_numpy(order="c").astype(np.float32, copy=False)
