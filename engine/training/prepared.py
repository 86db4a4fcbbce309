"""Prepared data: one task a partition reads, checks, prepares and stages the features of its rows.

Training rows get the features that a model is to learn from, all other rows those that it will be
asked with: an encoding by the label leaves out a training row's own fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.commit import Run, Staged
from engine.encoding import Encoding
from engine.features.fitted import FittedPipeline
from engine.history import read_with
from engine.plan import Partition
from engine.rejected.part import rejected_of, stage
from engine.reserved import ROW
from engine.split import TRAIN
from engine.training.preparing import PARTS, TrainingData

SPLIT = "split"
"""Column that says of each row to which part it belongs."""


@dataclass(frozen=True)
class PreparedWork:
    """What the tasks of a pass share.

    Attributes:
        data: The rows, their label and their split.
        pipeline: The fitted features.
        run: Where parts are staged.
        columns: Columns that are passed through, in front of the features.
        label: Name of the label's column, if there is a label.
        split: Whether a column tells the part of each row.
        learned: Whether the pipeline was fitted on the training rows of these data.
        fail: A rejected row ends the job instead of going to quarantine.
        encoding: How the rows are written.
    """

    data: TrainingData
    pipeline: FittedPipeline
    run: Run
    columns: tuple[str, ...]
    label: str | None
    split: bool
    learned: bool
    fail: bool
    encoding: Encoding


def prepare(work: PreparedWork, partition: Partition) -> Staged:
    """Write the features of one partition as one part.

    A row without a label is written too: its label is missing, its part is none.

    Raises:
        ContractRefused: A row breaks the contract and bad rows were to fail the job.
    """
    data, pipeline = work.data, work.pipeline
    wanted = list(dict.fromkeys([*work.columns, *data.columns]))
    batch = read_with(data.history, data.source, partition, wanted)
    rejected = rejected_of(data.source, partition, batch, work.fail)
    y = data.labels(batch.good, partition)
    good, known = data.marked(batch.good, y), y.is_not_null().to_numpy()
    parts = data.split.assign(good, good[ROW])
    learned = known & (parts == TRAIN) & work.learned
    table = [good[name] for name in work.columns]
    table += features(pipeline, good, learned).get_columns()
    if work.label:
        table.append(y.alias(work.label))
    if work.split:
        named = pl.Series(SPLIT, parts).replace_strict({n: part for part, n in PARTS.items()})
        table.append(named.set(~pl.Series(known), None).alias(SPLIT))
    rows = pl.DataFrame(table)
    return stage(work.run, data.source, partition, batch, rejected, rows, work.encoding)


def features(
    pipeline: FittedPipeline, frame: pl.DataFrame, learned: npt.NDArray[np.bool_]
) -> pl.DataFrame:
    """Return the features of rows in their order, of which some are those that were learned on."""
    if not pipeline.supervised or not learned.any():
        return pipeline.transform(frame)
    if learned.all():
        return pipeline.transform(frame, training=True)
    taught = pipeline.transform(frame.filter(learned), training=True)
    others = pipeline.transform(frame.filter(~learned))
    places = np.concatenate([np.flatnonzero(learned), np.flatnonzero(~learned)])
    return pl.concat([taught, others])[np.argsort(places)]
