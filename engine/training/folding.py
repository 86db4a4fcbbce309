"""What folds must know of the data as a whole: their cuts, and how many rows each trains on.

A pass over the columns that decide, alone; `engine.training.cuts` does the same for splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import polars as pl
from distributed import Client

from engine.errors import ContractRefused
from engine.folds import Folds
from engine.plan import Partition
from engine.reserved import ROW, TARGET
from engine.split import TRAIN
from engine.statistics.distribution import Distribution
from engine.statistics.quantiles import Quantiles
from engine.tasks.execute import in_order, over_partitions
from engine.training.cuts import MOST_STRATA, under
from engine.training.preparing import TrainingData
from engine.vectors import VectorColumns

_HINT = "ask for fewer folds, or look at what the split leaves for training"


@dataclass(frozen=True)
class Dealt:
    """What some training rows tell of the cuts of folds.

    Attributes:
        times: Distribution of their times; of folds by time.
        draws: Distribution of the drawn numbers, by value and repeat; of stratified folds.
    """

    times: Quantiles = field(default_factory=Quantiles)
    draws: Mapping[str | None, tuple[Distribution, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, frame: pl.DataFrame, folds: Folds) -> Dealt:
        """Look at training rows, which have `ROW` and the columns of the folds."""
        column = frame[folds.columns[0]]
        if folds.by == "time":
            return cls(Quantiles.of(column.to_physical()))
        values = column.cast(pl.String).alias("level")
        assert_few(values.n_unique(), folds)
        repeats = range(folds.repeats)
        drawn = [pl.Series(f"{repeat}", folds.draws(frame[ROW], repeat)) for repeat in repeats]
        draws = {
            part["level"][0]: tuple(Distribution.of(part[one.name].to_numpy()) for one in drawn)
            for part in pl.DataFrame([values, *drawn]).partition_by("level")
        }
        return cls(draws=draws)

    def merge(self, other: Dealt) -> Dealt:
        """Return what is told of both sets of rows; the same in any order."""
        draws = dict(self.draws)
        for level, new in other.draws.items():
            old = draws.get(level, (Distribution(),) * len(new))
            draws[level] = tuple(a.merge(b) for a, b in zip(old, new, strict=True))
        return Dealt(self.times.merge(other.times), draws)

    def resolve(self, folds: Folds) -> Folds:
        """Return folds that know their cuts or strata, when this tells of all rows.

        Raises:
            ContractRefused: There are too few different times.
        """
        if folds.by == "time":
            return replace(folds, cuts=_windows(self.times, folds))
        strata = {level: _cuts(each, folds.count) for level, each in self.draws.items()}
        return replace(folds, strata=strata)


def resolved(
    client: Client,
    data: TrainingData,
    folds: Folds,
    partitions: Sequence[Partition],
    *,
    threads: int,
) -> Folds:
    """Return folds that know their cuts or strata; the same when they need none.

    Of each value every fold holds out the same number of rows, to the row up to 16,384 rows a
    value, beyond that to the error of `Distribution`.

    Args:
        client: An open Dask client.
        data: The labelled rows; the cuts of their split are known.
        folds: How training rows are dealt.
        partitions: All partitions.
        threads: Threads of all workers together.

    Raises:
        ContractRefused: There are too many values, or too few different times.
    """
    if folds.resolved:
        return folds
    total = Dealt()
    work = (alone(data, folds), folds)
    done = over_partitions(client, _look, work, partitions, threads=threads)
    for one in in_order(done, partitions):
        total = total.merge(one.result)
        assert_few(len(total.draws), folds)
    return total.resolve(folds)


def alone(data: TrainingData, folds: Folds) -> TrainingData:
    """Return the rows with their label and what base split and folds look at, and nothing else."""
    columns = tuple(name for name in folds.columns if name != TARGET)
    return replace(data, inputs=columns, history=None, vectors=VectorColumns())


def _look(work: tuple[TrainingData, Folds], partition: Partition) -> Dealt:
    """Look at the training rows of a partition. Runs inside a task."""
    data, folds = work
    labelled = data.read(partition)
    return Dealt.of(labelled.frame.filter(labelled.parts == TRAIN), folds)


def assert_few(values: int, folds: Folds) -> None:
    """Refuse so many different values of the column that folds are stratified by.

    Raises:
        ContractRefused: There are more than `MOST_STRATA`.
    """
    if values > MOST_STRATA:
        raise ContractRefused(
            f"stratified folds need few values, {folds.columns[0]!r} has over {MOST_STRATA:,}",
            where="folds",
            hint='deal them by = "random", or name a column with fewer values',
        )


def _windows(times: Quantiles, folds: Folds) -> tuple[float, ...]:
    """Return where windows of about as many rows begin; the first one is never held out.

    They are those of scikit-learn's ``TimeSeriesSplit``: with n folds there are n + 1 windows.
    """
    if not times.count:
        what = f"no training row has a time in {folds.columns[0]!r}"
        raise ContractRefused(what, where="folds", hint=_HINT)
    windows = folds.count + 1
    cuts = tuple(times.at(window / windows) for window in range(windows))
    for before, after in pairwise((*cuts, times.at(1.0) + 1)):
        if not before < after:
            raise ContractRefused(
                f"{folds.columns[0]!r} has too few different times for {folds.count} folds",
                where="folds",
                hint=_HINT,
            )
    return cuts


def _cuts(draws: Sequence[Distribution], count: int) -> tuple[tuple[float, ...], ...]:
    """Return at which drawn numbers the folds of one value begin, for each repeat."""
    return tuple(tuple(under(one, fold / count) for fold in range(1, count)) for one in draws)
