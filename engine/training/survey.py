"""What must be known of the training rows before features and bins can be made, in one pass.

Statistics of the training rows, how many rows go where, and one global sample of rows for
LightGBM's bins. The sample is drawn by row number, so it does not depend on partitions. Runs inside
tasks; knows no Dask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from engine.boosting.council.labels import LabelCounts
from engine.features.fitted import FittedPipeline
from engine.ledger import Ledger
from engine.plan import Partition
from engine.queries import Runs
from engine.rejected.bad_rows import BadRows
from engine.reserved import DRAW, ROW, TARGET
from engine.split import LEFT_OUT, TRAIN, uniform
from engine.statistics.moments import Moments
from engine.statistics.summary import Request, Summary
from engine.training.preparing import PARTS, Labelled, TrainingData

_SAMPLE_SEED = 0x5EED
"""Added to the job's seed, so that the sample and a random split draw different numbers."""


@dataclass(frozen=True)
class Survey:
    """What one partition, or all of them together, told in the survey pass.

    Attributes:
        rows: Rows read.
        counts: Rows by part (``train``, ``valid``, ``test``), ``unlabelled``, ``filtered`` and
            ``rejected``, and ``left_out`` where classes are balanced; together they are ``rows``.
        ledger: Where the rows of each file went.
        nulls: Missing values in good rows, by column with a limit in the contract.
        target: Moments of the training labels.
        labels: Labels and weights by part.
        summary: The statistics that were asked for, of the training rows.
    """

    rows: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    nulls: Mapping[str, int] = field(default_factory=dict)
    target: Moments = field(default_factory=Moments)
    labels: Mapping[str, LabelCounts] = field(default_factory=dict)
    summary: Summary = field(default_factory=Summary)

    def merge(self, other: Survey) -> Survey:
        """Return the survey of both sets of rows; ``other`` are the rows that follow."""
        return Survey(
            self.rows + other.rows,
            dict(Counter(self.counts) + Counter(other.counts)),
            self.ledger.merge(other.ledger),
            dict(Counter(self.nulls) + Counter(other.nulls)),
            self.target.merge(other.target),
            _added(self.labels, other.labels),
            self.summary.merge(other.summary),
        )


@dataclass(frozen=True)
class SurveyWork:
    """What the tasks of a survey pass share.

    Attributes:
        data: The training data.
        pipeline: Feature steps fitted so far.
        request: Statistics to gather.
        sample_share: Share of the training rows that goes into the sample; 0 for none.
        seed: Of the sample.
        bad: What is done with rows that break the contract.
    """

    data: TrainingData
    pipeline: FittedPipeline
    request: Request
    sample_share: float
    seed: int
    bad: BadRows


@dataclass(frozen=True)
class Surveyed:
    """What the survey of one partition returns.

    Attributes:
        survey: Counts and statistics.
        sample: Sampled training rows with all that features are made from.
        queries: By part: its runs of rows of one query; empty where nothing is ranked.
    """

    survey: Survey
    sample: pl.DataFrame
    queries: Mapping[str, Runs] = field(default_factory=dict)


def survey(work: SurveyWork, partition: Partition) -> Surveyed:
    """Gather the statistics of one partition."""
    labelled = work.data.read(partition)
    work.bad.keep(work.data.source, partition, labelled.batch)
    return surveyed(work, partition, labelled)


def surveyed(work: SurveyWork, partition: Partition, labelled: Labelled) -> Surveyed:
    """Gather the statistics of rows that were read."""
    train = labelled.frame.filter(labelled.parts == TRAIN)
    drawn = uniform(train[ROW].to_numpy().astype(np.uint64), work.seed + _SAMPLE_SEED)
    kept = dict.fromkeys([*work.data.inputs, *work.data.made, *work.data.beside, TARGET, DRAW])
    sample = train.filter(drawn < work.sample_share).select(list(kept))
    return Surveyed(_counted(work, partition, labelled, train), sample, _queries(labelled))


def _counted(
    work: SurveyWork, partition: Partition, labelled: Labelled, train: pl.DataFrame
) -> Survey:
    batch, data = labelled.batch, work.data
    return Survey(
        batch.rows,
        _rows(labelled),
        Ledger.of(data.source.paths, partition, batch),
        batch.missing(data.source.contract.shares()),
        Moments.of(pl.Series(labelled.y[labelled.parts == TRAIN])),
        _labels(labelled) if data.task else {},
        gathered(work.pipeline, work.request, train),
    )


def _rows(labelled: Labelled) -> dict[str, int]:
    batch = labelled.batch
    counts = {name: int((labelled.parts == part).sum()) for name, part in PARTS.items()}
    if left_out := int((labelled.parts == LEFT_OUT).sum()):
        counts["left_out"] = left_out
    counts |= {"unlabelled": labelled.unlabelled, "filtered": batch.filtered}
    return counts | {"rejected": batch.rejected.height}


def _labels(labelled: Labelled) -> dict[str, LabelCounts]:
    chosen = {name: labelled.parts == part for name, part in PARTS.items()}
    return {
        name: LabelCounts.of(labelled.y[rows], labelled.vectors.of(rows).weight)
        for name, rows in chosen.items()
    }


def _added(
    one: Mapping[str, LabelCounts], two: Mapping[str, LabelCounts]
) -> dict[str, LabelCounts]:
    names = dict.fromkeys([*one, *two])
    return {name: one.get(name, LabelCounts()) + two.get(name, LabelCounts()) for name in names}


def _queries(labelled: Labelled) -> dict[str, Runs]:
    query = labelled.vectors.query
    if query is None:
        return {}
    return {name: Runs.of(query[labelled.parts == part]) for name, part in PARTS.items()}


def gathered(pipeline: FittedPipeline, request: Request, train: pl.DataFrame) -> Summary:
    """Return the statistics of training rows as the steps that are fitted so far leave them."""
    wanted = {ROW, TARGET, DRAW}.intersection(train.columns)
    wanted |= {name for need in request for name in need.columns}
    frame = pipeline.apply(train, sorted(wanted), training=True)
    return Summary.of(frame, request)
