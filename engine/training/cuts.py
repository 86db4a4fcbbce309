"""Where a split cuts, and which classes there are: a pass over the column that decides, alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import numpy as np
import polars as pl
from distributed import Client

from engine.balance import even
from engine.boosting.council.labels import LabelCounts
from engine.classes import Class, assert_few, classes_of, ordered, weights_by_class
from engine.data.source import Source
from engine.errors import ContractRefused
from engine.plan import Partition
from engine.reserved import ROW, TARGET
from engine.split import TRAIN, Split, uniform
from engine.statistics.distribution import Distribution
from engine.statistics.quantiles import Quantiles
from engine.tasks.execute import in_order, over_partitions
from engine.training.preparing import TrainingData
from engine.vectors import VectorColumns


def with_cuts(
    client: Client, source: Source, split: Split, partitions: Sequence[Partition], *, threads: int
) -> Split:
    """Return a split that knows its cuts; the same one when it needs none.

    Args:
        client: An open Dask client.
        source: How partitions are read.
        split: Any split.
        partitions: All partitions.
        threads: Threads of all workers together.
    """
    if split.by != "time" or split.cuts is not None:
        return split
    times = Quantiles()
    done = over_partitions(client, _times, (source, split.columns[0]), partitions, threads=threads)
    for one in in_order(done, partitions):
        times = times.merge(one.result)
    valid, test = (part if isinstance(part, float) else 0.0 for part in (split.valid, split.test))
    last = times.at(1 - test) if test else float("inf")
    return replace(split, cuts=(times.at(1 - valid - test), last))


def _times(work: tuple[Source, str], partition: Partition) -> Quantiles:
    """Return the distribution of a time column, as integers of its type. Runs inside a task."""
    source, column = work
    return Quantiles.of(source.read(partition, [column]).good[column].to_physical())


MOST_STRATA = 1_000
"""Values that a stratified split may have: their draws are held for each of them."""

Draws = dict[str | None, Distribution]


def with_strata(
    client: Client, data: TrainingData, partitions: Sequence[Partition], *, threads: int
) -> Split:
    """Return a stratified split that knows its cuts; the same one when it needs none.

    Of every value the share that was asked for is held out, to the row up to 16,384 rows a value,
    beyond that to the error of `Distribution`.

    Args:
        client: An open Dask client.
        data: The labelled rows.
        partitions: All partitions.
        threads: Threads of all workers together.

    Raises:
        ContractRefused: The column has too many different values.
    """
    split = data.split
    if split.by != "stratified" or split.strata is not None:
        return split
    total: Draws = {}
    columns = () if split.columns == (TARGET,) else split.columns
    alone = _alone(data, columns)
    done = over_partitions(client, _draws, (alone, split), partitions, threads=threads)
    for one in in_order(done, partitions):
        for level, draws in one.result.items():
            total[level] = total[level].merge(draws) if level in total else draws
        _assert_few(total, split)
    return replace(split, strata={level: _cut(split, one) for level, one in total.items()})


def with_classes(
    client: Client, data: TrainingData, partitions: Sequence[Partition], *, threads: int
) -> TrainingData:
    """Return the rows with the classes of their label known; the same when there is nothing to do.

    Args:
        client: An open Dask client.
        data: The labelled rows.
        partitions: All partitions.
        threads: Threads of all workers together.

    Raises:
        ContractRefused: The label has a single value, too many, or one that is no class.
    """
    if data.task != "multiclass" or data.classes is not None:
        return data
    total: set[Class] = set()
    for done in over_partitions(client, _classes, _alone(data), partitions, threads=threads):
        total |= done.result
        assert_few(len(total))
    return replace(data, classes=ordered(total))


def with_balance(
    client: Client, data: TrainingData, partitions: Sequence[Partition], *, threads: int
) -> TrainingData:
    """Return the rows with the shares of the classes known that are learned from, where needed.

    Args:
        client: An open Dask client.
        data: The labelled rows; classes and split are known.
        partitions: All partitions.
        threads: Threads of all workers together.

    Raises:
        SpecError: A class that is named is none.
    """
    balance = data.balance
    if balance is None or balance.kept:
        return data
    classes = data.classes or (0, 1)
    if balance.shares is not None:
        kept = weights_by_class(dict(balance.shares), classes, "train.balance")
        return replace(data, balance=replace(balance, kept=kept))
    columns = tuple(name for name in data.split.columns if name != TARGET)
    alone = replace(_alone(data, columns), split=data.split)
    total = LabelCounts()
    for done in over_partitions(client, _labels, alone, partitions, threads=threads):
        total += done.result
    counts = [total.count(code) for code in range(len(classes))]
    return replace(data, balance=replace(balance, kept=even(counts)))


def _labels(data: TrainingData, partition: Partition) -> LabelCounts:
    """Return how many training rows are of which class. Runs inside a task."""
    labelled = data.read(partition)
    return LabelCounts.of(labelled.y[labelled.parts == TRAIN])


def _classes(data: TrainingData, partition: Partition) -> set[Class]:
    """Return the values of the label. Runs inside a task."""
    return classes_of(data.values(data.source.read(partition, data.columns).good))


def _alone(data: TrainingData, columns: tuple[str, ...] = ()) -> TrainingData:
    """Return the rows with their label and these columns, and nothing else."""
    rows = replace(data, inputs=columns, split=Split("random"), history=None, balance=None)
    return replace(rows, vectors=VectorColumns(), beside=())


def _draws(work: tuple[TrainingData, Split], partition: Partition) -> Draws:
    """Return the drawn numbers of each value. Runs inside a task."""
    data, split = work
    frame = data.read(partition).frame
    drawn = uniform(frame[ROW].to_numpy().astype(np.uint64), split.seed)
    values = frame[split.columns[0]].cast(pl.String).alias("level")
    if values.n_unique() > MOST_STRATA:
        _refuse_many(split)
    table = pl.DataFrame([values, pl.Series("drawn", drawn)])
    return {
        part["level"][0]: Distribution.of(part["drawn"].to_numpy())
        for part in table.partition_by("level")
    }


def _assert_few(total: Draws, split: Split) -> None:
    if len(total) > MOST_STRATA:
        _refuse_many(split)


def _refuse_many(split: Split) -> NoReturn:
    raise ContractRefused(
        f"a stratified split needs few values, {split.columns[0]!r} has over {MOST_STRATA:,}",
        where="split.column",
        hint='split by = "random", or name a column with fewer values',
    )


def _cut(split: Split, draws: Distribution) -> tuple[float, float]:
    """Return the numbers under which lie the test rows, and the validation and test rows."""
    test, valid = (part if isinstance(part, float) else 0.0 for part in (split.test, split.valid))
    return under(draws, test), under(draws, test + valid)


def under(draws: Distribution, share: float) -> float:
    """Return the number under which a share of the rows lies: the value at the next rank."""
    wanted = math.floor(draws.rows * share + 0.5)
    if wanted >= draws.rows:
        return 1.0
    return draws.quantile(wanted / max(1, draws.rows - 1))[0] if wanted else 0.0
