"""Surveyed training data under each fold: the same rows and features, other masks.

One pass over the columns that decide counts the rows of all folds at once. Where features learn
from the label, those of the rows that a fold holds out must not be learnt from: they are fitted
anew under each fold, in as many passes as the first time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from distributed import Client

from engine.errors import ContractRefused
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.folds import Fold
from engine.plan import Partition
from engine.rejected.bad_rows import BadRows
from engine.reserved import ROW
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.fitting import Gathered, Prepared, Progress, accepted, prepare
from engine.training.preparing import TrainingData
from engine.training.survey import Surveyed, SurveyWork, surveyed


@dataclass(frozen=True)
class Asked:
    """What prepared data were made of, and is needed to make them again under a fold.

    Attributes:
        pipeline: The features as asked for; or as they were fitted before.
        supervised: Whether they learn from the label.
        resolved: The features as they fit the data.
        sample_rows: Rows wanted in the sample.
        seed: Of the sample.
        bad: What is done with rows that break the contract.
    """

    pipeline: Pipeline | FittedPipeline
    supervised: bool
    resolved: Resolved
    sample_rows: int
    seed: int
    bad: BadRows


def under_folds(
    client: Client,
    prepared: Prepared,
    folds: Sequence[Fold],
    asked: Asked,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Progress,
) -> list[Prepared]:
    """Return prepared data under each fold.

    Features that do not learn from the label stay as they were fitted on all training rows, and so
    does the sample for bins: both know of a held-out row what is known of it without its label.

    Args:
        client: An open Dask client.
        prepared: The data under the split that the folds deal the training rows of.
        folds: The folds; their cuts are known.
        asked: What the data were made of.
        partitions: The partitions of the data.
        threads: Threads of all workers together.
        progress: Called for every finished partition of every pass.

    Raises:
        ContractRefused: A fold holds nothing out, or nothing can be learned under it.
    """
    if asked.supervised:
        found = [
            _anew(client, prepared, fold, asked, partitions, threads, progress) for fold in folds
        ]
    else:
        found = _counted(client, prepared, folds, asked, partitions, threads, progress)
    for fold, one in zip(folds, found, strict=True):
        if not one.survey.counts.get("valid"):
            raise ContractRefused(
                f"{fold.name} of {fold.folds.count} holds no row out",
                where="folds",
                hint="ask for fewer folds, or deal the rows by another column",
            )
    return found


def _anew(
    client: Client,
    prepared: Prepared,
    fold: Fold,
    asked: Asked,
    partitions: Sequence[Partition],
    threads: int,
    progress: Progress,
) -> Prepared:
    """Prepare the data again, fitting features on what the fold trains on."""
    with _told(fold):
        return prepare(
            client,
            replace(prepared.data, split=fold),
            asked.pipeline,
            asked.resolved,
            partitions,
            threads=threads,
            sample_rows=asked.sample_rows,
            seed=asked.seed,
            bad=asked.bad,
            progress=progress,
        )


def _counted(
    client: Client,
    prepared: Prepared,
    folds: Sequence[Fold],
    asked: Asked,
    partitions: Sequence[Partition],
    threads: int,
    progress: Progress,
) -> list[Prepared]:
    """Count what each fold holds."""
    data = replace(prepared.data, inputs=(), history=None)
    work = _Masks(data, tuple(folds), asked.bad)
    by_fold: list[list[Done[Surveyed]]] = [[] for _ in folds]
    done = over_partitions(client, _look, work, partitions, threads=threads)
    for one in in_order(done, partitions):
        progress(one)
        for place, counted in enumerate(one.result):
            by_fold[place].append(Done(one.partition, counted, one.worker, one.peak))
    found = []
    for fold, parts in zip(folds, by_fold, strict=True):
        gathered = Gathered.of(parts)
        under = replace(prepared.data, split=fold)
        with _told(fold):
            accepted(gathered, under, asked.bad)
        survey = replace(gathered.survey, summary=prepared.survey.summary)
        counts, heads = gathered.counts, gathered.heads()
        found.append(replace(prepared, data=under, survey=survey, counts=counts, heads=heads))
    return found


@contextmanager
def _told(fold: Fold) -> Iterator[None]:
    """Say under which fold the data were refused."""
    try:
        yield
    except ContractRefused as error:
        raise ContractRefused(
            f"{fold.name}: {error.what}", where=error.where, hint=error.hint
        ) from error


@dataclass(frozen=True)
class _Masks:
    """What the tasks share that count the rows of folds."""

    data: TrainingData
    folds: tuple[Fold, ...]
    bad: BadRows


def _look(work: _Masks, partition: Partition) -> list[Surveyed]:
    """Count the rows of each fold in a partition, which is read once. Runs inside a task."""
    labelled = replace(work.data, split=work.folds[0]).read(partition)
    found = []
    for fold in work.folds:
        data = replace(work.data, split=fold)
        one = SurveyWork(data, _NO_FEATURES, frozenset(), 0.0, 0, work.bad)
        parts = fold.assign(labelled.frame, labelled.frame[ROW])
        found.append(surveyed(one, partition, replace(labelled, parts=parts)))
    return found


_NO_FEATURES = FittedPipeline({}, (), (), ())
