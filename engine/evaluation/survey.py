"""Rows that a model is measured on though it was not trained on them: counted in one pass.

The pass is that of a training (`engine.training.survey`): it counts rows by fate, holds the
contract as a whole against them, and draws the sample whose values slices are made of. What
training refuses because nothing could be learned, such as labels of one class, is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from distributed import Client

from engine.errors import ContractRefused
from engine.features.fitted import FittedPipeline
from engine.history import History
from engine.plan import Partition
from engine.queries import assert_whole
from engine.rejected.bad_rows import BadRows
from engine.split import Split
from engine.training.fitting import Gathered, Prepared, Progress, ordered
from engine.training.preparing import TrainingData
from engine.training.survey import SurveyWork, survey

PART: Final = "test"
"""What the rows are called: the model has seen none of them, or should not have."""

SAMPLE: Final = 200_000
"""Rows of the sample, about; as many as a training draws unless told otherwise."""


def surveyed(
    client: Client,
    data: TrainingData,
    pipeline: FittedPipeline,
    partitions: Sequence[Partition],
    *,
    threads: int,
    seed: int,
    bad: BadRows,
    progress: Progress,
) -> Prepared:
    """Count labelled rows, all of which are of the part `PART`.

    Args:
        client: An open Dask client.
        data: How rows are read and labelled; how they are split is not looked at.
        pipeline: The features of the model.
        partitions: The partitions of the data.
        threads: Threads of all workers together.
        seed: Of the sample.
        bad: What is done with rows that break the contract.
        progress: Called for every finished partition.

    Raises:
        ContractRefused: The data break the contract as a whole, no row has a label, or a query is
            not whole.
    """
    data = replace(data, history=History.of(pipeline.steps, data.derive, partitions))
    share = min(1.0, SAMPLE / max(1, sum(part.rows for part in partitions)))
    # A survey draws its sample of training rows: so that is what it is told they are.
    looked_at = replace(data, split=Split("random"))
    work = SurveyWork(looked_at, pipeline, frozenset(), share, seed, bad)
    found = Gathered.of(ordered(client, survey, work, partitions, threads, progress))
    _assert_measurable(found, looked_at, bad)
    return Prepared(
        replace(data, split=Split("random", test=1.0)),
        pipeline,
        False,
        replace(found.survey, counts=_held_out(found.survey.counts)),
        {index: _held_out(counts) for index, counts in found.counts.items()},
        {},
        found.sample,
    )


def _assert_measurable(found: Gathered, data: TrainingData, bad: BadRows) -> None:
    total, name = found.survey, data.source.contract.name
    good = total.rows - total.counts.get("rejected", 0) - total.counts.get("filtered", 0)
    bad.gate(total.ledger, name)
    data.source.contract.gate(total.nulls, good)
    if not total.counts.get("train"):
        counts = {**total.counts, **total.ledger.reasons}
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        raise ContractRefused(
            "no row is left to measure the model on",
            where=f"data.{name}: {told or 'no rows'}",
            hint="look at where, contract and target",
        )
    if data.vectors.query:
        assert_whole({"train": found.runs("train")}, data.vectors.query)


def _held_out(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts with the rows under the name that they are measured by."""
    others = {name: rows for name, rows in counts.items() if name not in ("train", "valid", "test")}
    return {PART: counts.get("train", 0), **others}
