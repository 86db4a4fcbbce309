"""Training rows: read with their labels and parts, and as matrices. Runs inside tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.balance import Balance
from engine.boosting.learning import Task
from engine.boosting.source import Rows
from engine.classes import Class, codes
from engine.data.source import Batch, Source
from engine.expression import columns_of, computed, sql
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import derived_for, origins, with_derived
from engine.history import History, read_with
from engine.plan import Partition
from engine.reserved import ROW, TARGET
from engine.split import TEST, TRAIN, VALID, Split, fold_draws
from engine.vectors import VectorColumns, VectorReader, Vectors

BLOCK = 16_384
"""Rows of a matrix that is scored: 31 features of them take 2 MB, a second-level cache."""

PARTS: Mapping[str, int] = {"train": TRAIN, "valid": VALID, "test": TEST}

TARGET_KEY = "target"
"""Where the label's expression stands in the job file: in ``[train]`` or ``[prepare]``."""


@dataclass(frozen=True)
class Labelled:
    """The good rows of a partition that have a label.

    Attributes:
        frame: Rows with the columns that were asked for, `ROW`, and what an encoding by the label
            needs of training rows: ``TARGET`` and ``DRAW``.
        y: Labels, float32, shape (rows,); codes of classes where there are classes.
        parts: Train, validation or test, or `engine.split.LEFT_OUT`; shape (rows,).
        unlabelled: Good rows without a label; they are left out of ``frame``.
        batch: The partition as it was read.
        vectors: Weights, first scores and queries of the rows, where they have them.
    """

    frame: pl.DataFrame
    y: npt.NDArray[np.float32]
    parts: npt.NDArray[np.uint8]
    unlabelled: int
    batch: Batch
    vectors: Vectors = field(default_factory=Vectors)


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
        task: What the label is for; tells, with LightGBM's ``objective``, which labels there may
            be. ``None``: any, as for [prepare].
        objective: See ``task``.
        classes: Values of the label whose positions are learned instead of it; ``None``: the label
            is a number. Those of a multiclass task may be found later (`engine.training.cuts`).
        vectors: What weights, first scores and queries are made of.
        beside: Columns that are read beside them: what a model is measured by.
        balance: Which training rows are left out, by class.
    """

    source: Source
    target: str | None
    split: Split
    inputs: tuple[str, ...]
    derive: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    history: History | None = None
    task: Task | None = None
    objective: str | None = None
    classes: tuple[Class, ...] | None = None
    vectors: VectorColumns = field(default_factory=VectorColumns)
    beside: tuple[str, ...] = ()
    balance: Balance | None = None

    @property
    def columns(self) -> list[str]:
        """Return the columns of the data that are read for training."""
        more = [*self.target_columns, *self.split.columns, *self.vector_columns, *self.beside]
        return [name for name in dict.fromkeys([*self.inputs, *more]) if name != TARGET]

    @property
    def made(self) -> list[str]:
        """Return the columns that rows have beside those of the data: made of earlier rows."""
        return self.history.made if self.history else []

    @property
    def target_columns(self) -> list[str]:
        """Return the columns of the data that the label is made of."""
        return self.made_of(self.target, TARGET_KEY) if self.target else []

    @property
    def vector_columns(self) -> list[str]:
        """Return the columns of the data that weights, first scores and queries are made of."""
        asked = self.vectors.expressions
        names = [name for text, key in asked for name in self.made_of(text, key)]
        return list(dict.fromkeys([*names, *([self.vectors.query] if self.vectors.query else [])]))

    def made_of(self, text: str, key: str) -> list[str]:
        """Return the columns of the data that an expression is made of, derived ones looked up.

        Args:
            text: The SQL expression.
            key: Where it stands in the job file, for the error message.
        """
        return origins(self.derive, columns_of(text, key))

    def read(self, partition: Partition) -> Labelled:
        """Read the rows of a partition with their labels and parts.

        Raises:
            ContractRefused: A label is none of the classes, or a weight, first score or query is
                missing or not allowed.
        """
        batch = read_with(self.history, self.source, partition, self.columns)
        y = self.labels(batch.good, partition)
        known = y.is_not_null()
        y = y.filter(known)
        frame = self.marked(batch.good.filter(known), y)
        parts = self.split.assign(frame, frame[ROW])
        if self.balance is not None:
            parts = self.balance.thinned(parts, y.to_numpy(), frame[ROW])
        reader = VectorReader(self.vectors, self.derive, self.source, partition)
        unlabelled = known.len() - frame.height
        return Labelled(frame, y.to_numpy(), parts, unlabelled, batch, reader.read(frame))

    def labels(self, good: pl.DataFrame, partition: Partition) -> pl.Series:
        """Return the label of each row, float32; null where it has none.

        Raises:
            ContractRefused: A label is none of the classes.
        """
        if self.target is None:
            return pl.Series("y", np.zeros(good.height, np.float32))
        if self.classes is None:
            return self._label(good, pl.Float32).fill_nan(None)
        first = partition.slices[0]
        place = f"{self.source.paths[first.file]}, partition {partition.index}"
        return codes(self.values(good), self.classes, place).alias("y")

    def values(self, good: pl.DataFrame) -> pl.Series:
        """Return the value of each row's label as it is, whatever its type."""
        return self._label(good, None)

    def _label(self, good: pl.DataFrame, kind: type[pl.DataType] | None) -> pl.Series:
        assert self.target is not None
        label = sql(self.target, TARGET_KEY).alias("y")
        label = label if kind is None else label.cast(kind)
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
        learned: Whether the pipeline was fitted on the training rows of these data.
        class_weights: What the weight of a training row is multiplied with, by the code of its
            class; empty: nothing.
        base: Model text whose raw scores the rows start from; ``None``: a new model.
    """

    data: TrainingData
    pipeline: FittedPipeline
    learned: bool = True
    class_weights: tuple[float, ...] = ()
    base: str | None = None
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
        more = {"weight": bool(self.class_weights), "init": self.base is not None}
        return self.data.vectors.names | {name for name, there in more.items() if there}

    def read(self, partition: Partition, part: str) -> Rows:
        """Return the labelled rows of one part (``train`` or ``valid``).

        Both parts of a partition are asked for one after the other, training first: it is read
        once and kept in between.
        """
        labelled = self._kept.pop(partition.index, None) or self.data.read(partition)
        if part == "train" and (labelled.parts == VALID).any():
            self._kept[partition.index] = labelled
        return self.rows(labelled, part)

    def rows(self, labelled: Labelled, part: str) -> Rows:
        """Return the rows of one part of a partition that has been read."""
        chosen = labelled.parts == PARTS[part]
        training = part == "train"
        x = matrix(self.pipeline, labelled.frame.filter(chosen), training and self.learned)
        y, vectors = labelled.y[chosen], labelled.vectors.of(chosen)
        weight = self.weighted(vectors.weight, y, training)
        init = vectors.init if self.base is None else self._said(self.base, x)
        return Rows(x, y, weight, init, vectors.query)

    def weighted(
        self, weight: npt.NDArray[np.float32] | None, y: npt.NDArray[np.float32], training: bool
    ) -> npt.NDArray[np.float32] | None:
        """Return the weights of rows; those of classes are for training rows alone."""
        if not self.class_weights:
            return weight
        own = np.ones(len(y), np.float32) if weight is None else weight
        if not training:
            return own
        return own * np.array(self.class_weights, np.float32)[y.astype(np.int64)]

    def _said(self, base: str, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the raw scores of the model that training goes on from."""
        from engine.predict import predictor  # brings numba, which few trainings need

        return predictor(base).raw(x)


def matrices(pipeline: FittedPipeline, frame: pl.DataFrame) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the features of rows to score, some rows at a time, so that they stay in the cache.

    Args:
        pipeline: The fitted features.
        frame: Rows with its inputs; of no rows comes one matrix without rows.

    Yields:
        (`BLOCK` or fewer, features) float32, NaN where missing; columns lie together.
    """
    features = pipeline.transform(frame)
    for start in range(0, max(1, frame.height), BLOCK):
        rows = features.slice(start, BLOCK)
        x = np.empty((rows.height, rows.width), np.float32, order="F")
        # Polars' own `to_numpy` of a frame is one call, but it waits for a thread of Polars. What
        # has missing values is copied: some rows at a time, that they do not take memory.
        for place, column in enumerate(rows):
            x[:, place] = column.to_numpy()
        yield x


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
