"""Fit features and draw the sample: the passes over the training data, run on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import polars as pl
from distributed import Client

from engine.boosting.council.labels import refuse_bad
from engine.boosting.source import ShardPart
from engine.classes import balanced
from engine.errors import ContractRefused
from engine.features.fit import fit, windows
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.features.step import Fitted
from engine.history import History
from engine.plan import Partition
from engine.queries import Runs, assert_whole, heads
from engine.rejected.bad_rows import BadRows
from engine.statistics.summary import Request, Summary
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.cuts import with_balance, with_classes, with_cuts, with_strata
from engine.training.preparing import PARTS, TrainingData
from engine.training.survey import Survey, Surveyed, SurveyWork, survey

R = TypeVar("R")
Progress = Callable[[Done[Any]], None]


@dataclass(frozen=True)
class Prepared:
    """The training data after its survey.

    Attributes:
        data: How rows are read; time cuts and classes are known.
        pipeline: The fitted features.
        learned: Whether they were fitted on these rows, not on those of an earlier model.
        survey: Counts and statistics of all rows.
        counts: Rows by part (``train``, ``valid``, ``test``) of each partition, by index.
        heads: The same of the rows that go on with the query of the partition before; empty where
            nothing is ranked.
        sample: The global sample of training rows, with all that features are made from.
    """

    data: TrainingData
    pipeline: FittedPipeline
    learned: bool
    survey: Survey
    counts: Mapping[int, Mapping[str, int]]
    heads: Mapping[int, Mapping[str, int]]
    sample: pl.DataFrame

    def shard_parts(self, partitions: Iterable[Partition]) -> list[ShardPart]:
        """Return partitions with their numbers of rows, as `engine.boosting.fit` takes them."""
        return [
            ShardPart(
                part,
                self.counts[part.index]["train"],
                self.counts[part.index]["valid"],
                self.heads.get(part.index, {}).get("train", 0),
                self.heads.get(part.index, {}).get("valid", 0),
            )
            for part in partitions
        ]

    def dealt_parts(self, partitions: Iterable[Partition]) -> list[ShardPart]:
        """Return the rows that folds deal: all for training, also what balanced classes leave out.

        A part has no validation rows: each fold holds out some of the others.
        """
        left_out = {index: found.get("left_out", 0) for index, found in self.counts.items()}
        return [
            replace(part, train=part.train + left_out[part.partition.index], valid=0, valid_head=0)
            for part in self.shard_parts(partitions)
        ]

    @property
    def balanced(self) -> tuple[float, ...]:
        """Return the weight of each class that makes all count alike, by the class's code."""
        labels = self.survey.labels["train"]
        return balanced([labels.count(code) for code in range(len(self.data.classes or (0, 1)))])


def prepare(
    client: Client,
    data: TrainingData,
    pipeline: Pipeline | FittedPipeline,
    resolved: Resolved,
    partitions: Sequence[Partition],
    *,
    threads: int,
    sample_rows: int,
    seed: int,
    bad: BadRows,
    progress: Progress,
) -> Prepared:
    """Fit the features in the fewest passes and survey the training data.

    Args:
        client: An open Dask client.
        data: The training data.
        pipeline: The features as asked for; or as they were fitted before: they stay as they are.
        resolved: The features as they fit the data.
        partitions: The partitions of the data.
        threads: Threads of all workers together.
        sample_rows: Rows wanted in the sample for LightGBM's bins.
        seed: Of the sample.
        bad: What is done with rows that break the contract.
        progress: Called for every finished partition of every pass.

    Raises:
        ContractRefused: The data break the contract as a whole, no row is left to train on,
            nothing can be learned from the labels, or a query is not whole.
    """
    data = _resolved(client, data, _windows(pipeline, resolved), partitions, threads)
    rows = sum(part.rows for part in partitions)
    share = min(1.0, sample_rows / max(1, rows))
    first: list[Gathered] = []

    def gather(fitted: FittedPipeline, request: Request) -> Summary:
        work = SurveyWork(data, fitted, request, 0.0 if first else share, seed, bad)
        found = Gathered.of(ordered(client, survey, work, partitions, threads, progress))
        if not first:
            first.append(accepted(found, data, bad))
        return found.survey.summary

    learned = isinstance(pipeline, Pipeline)
    if isinstance(pipeline, Pipeline):
        pipeline = fit(pipeline, resolved, gather)
    else:
        gather(pipeline, frozenset())
    found = first[0]
    return Prepared(
        data, pipeline, learned, found.survey, found.counts, found.heads(), found.sample
    )


def _windows(pipeline: Pipeline | FittedPipeline, resolved: Resolved) -> Iterable[Fitted]:
    """Return the steps that look at earlier rows, and perhaps others."""
    if isinstance(pipeline, FittedPipeline):
        return pipeline.steps
    return windows(pipeline, resolved).values()


def _resolved(
    client: Client,
    data: TrainingData,
    looks_back: Iterable[Fitted],
    partitions: Sequence[Partition],
    threads: int,
) -> TrainingData:
    """Return the rows with all that has to be known before they are read as a whole."""
    split = with_cuts(client, data.source, data.split, partitions, threads=threads)
    history = History.of(looks_back, data.derive, partitions)
    data = replace(data, split=split, history=history)
    data = with_classes(client, data, partitions, threads=threads)
    data = replace(data, split=with_strata(client, data, partitions, threads=threads))
    return with_balance(client, data, partitions, threads=threads)


@dataclass(frozen=True)
class Gathered:
    """What one pass found; fields as in `Prepared`, and the queries of each partition by index."""

    survey: Survey
    counts: Mapping[int, Mapping[str, int]]
    queries: Mapping[int, Mapping[str, Runs]]
    sample: pl.DataFrame

    @classmethod
    def of(cls, done: Iterable[Done[Surveyed]]) -> Gathered:
        """Put together what the partitions found, in their order."""
        total = Survey()
        counts: dict[int, Mapping[str, int]] = {}
        queries: dict[int, Mapping[str, Runs]] = {}
        samples = []
        for one in done:
            found, index = one.result, one.partition.index
            total = total.merge(found.survey)
            counts[index] = found.survey.counts
            queries[index] = found.queries
            samples.append(found.sample)
        return cls(total, counts, queries, pl.concat(samples) if samples else pl.DataFrame())

    def runs(self, part: str) -> list[Runs]:
        """Return the runs of queries of one part, of all partitions in order."""
        return [by_part.get(part, Runs()) for by_part in self.queries.values()]

    def heads(self) -> dict[int, Mapping[str, int]]:
        """Return the rows of each partition and part that go on with the query before."""
        found = {part: heads(self.runs(part)) for part in PARTS}
        return {
            index: {part: found[part][place] for part in PARTS}
            for place, index in enumerate(self.queries)
        }


def accepted(found: Gathered, data: TrainingData, bad: BadRows) -> Gathered:
    """Return what was found when the contract as a whole holds and something can be learned."""
    total = found.survey
    good = total.rows - total.counts.get("rejected", 0) - total.counts.get("filtered", 0)
    bad.gate(total.ledger, data.source.contract.name)
    data.source.contract.gate(total.nulls, good)
    if not total.counts.get("train"):
        raise _nothing_left(total, data.source.contract.name)
    _assert_learnable(total, data)
    if data.vectors.query:
        assert_whole({part: found.runs(part) for part in PARTS}, data.vectors.query)
    return found


def _assert_learnable(total: Survey, data: TrainingData) -> None:
    """Refuse labels here that the ranks would refuse too: before anything is fitted on them."""
    if data.task is None:
        return
    classes, objective = len(data.classes or ()), data.objective or ""
    for part in ("train", "valid"):
        counts = total.labels[part]
        refuse_bad(part, data.task, counts, classes=classes, objective=objective)


def _nothing_left(total: Survey, name: str) -> ContractRefused:
    found_so = {**total.counts, **total.ledger.reasons}
    counts = ", ".join(f"{count:,} {name}" for name, count in found_so.items() if count)
    return ContractRefused(
        "no row is left to train on",
        where=f"data.{name}: {counts or 'no rows'}",
        hint="look at where, contract, target and split",
    )


def ordered(
    client: Client,
    function: Callable[[Any, Partition], R],
    work: object,
    partitions: Sequence[Partition],
    threads: int,
    progress: Progress,
) -> Iterator[Done[R]]:
    """Run a pass; report each partition when it finishes, yield them in order."""

    def watched() -> Iterator[Done[R]]:
        for done in over_partitions(client, function, work, partitions, threads=threads):
            progress(done)
            yield done

    return in_order(watched(), partitions)
