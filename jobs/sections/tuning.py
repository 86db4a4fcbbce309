"""The section ``[tune]``: trials before the model is trained, as a step of the run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.boosting.source import RowSource
from engine.place.kept import Kept
from engine.training.fitting import Prepared
from engine.training.folding import resolved
from engine.training.marking import FoldedMatrix
from engine.training.preparing import matrix
from engine.tuning.boosted.study import Study, study
from engine.tuning.boosted.trials import BoostedTrials
from engine.tuning.history import History, Record
from engine.tuning.search import best, search
from engine.tuning.table import Found
from jobs.fingerprint import training_digest
from jobs.planning.training import room
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.work.training import Training
from jobs.work.tuning import Tuning

TRIALS = "trials"
"""Folder of a run that holds the trials that have ended, by what they depend on."""


def tuned(
    context: Context, training: Training, prepared: Prepared
) -> tuple[Training, dict[str, Any]]:
    """Find the parameters of ``[train]``, if the job asks for that.

    Trials that have ended are kept in the run's folder; a run that goes on does not repeat them.
    ``tuning.json`` and ``tuning.parquet`` there hold all of them in the end.

    Returns:
        What ``[train]`` works on, with the parameters that were found, and what the bundle tells
        of the search.

    Raises:
        Cancelled: The user wants the run to end.
        TrainingFailed: No trial came to a value.
    """
    planned, session = context.planned, context.session()
    trying = room(planned.job, training, planned.train_partitions, session.resources)
    if trying is None:
        return training, {}
    tuning = trying.tuning
    context.start("tune", 0)
    digest = training_digest(planned.job, training)[:16]
    history = History(context.run.file(f"{TRIALS}/{digest}"))
    asked = _study(context, training, prepared, tuning, trying.each, history.folder)
    with BoostedTrials(session.client, asked, context.stop) as trials:
        told = _teller(context, tuning, list(history.read().values()))
        records = search(trials, tuning.search, history, told=told, cancel=context.stop)
    found = _kept(context, tuning, records)
    spec = tuning.taken(dict(found["params"]), found["best_round"])
    context.reporter.step_done({"summary": _summary(found), **_told(found)})
    return replace(training, spec=spec), {"tuning": found}


def _study(
    context: Context,
    training: Training,
    prepared: Prepared,
    tuning: Tuning,
    each: int,
    checkpoint: Kept,
) -> Study:
    """Return what all trials share."""
    planned, session = context.planned, context.session()
    learning = replace(
        boosting.learning(training, prepared, 1),
        metric=tuning.metric,
        measure=replace(boosting.measure(training.spec, prepared), metric=tuning.metric),
        early_stopping=tuning.early_stopping,
    )
    return study(
        session.resources,
        _source(context, training, prepared, tuning),
        (prepared.dealt_parts if tuning.dealt else prepared.shard_parts)(planned.train_partitions),
        matrix(prepared.pipeline, prepared.sample, training=prepared.learned),
        learning,
        # The training that follows finds its rows binned, and removes the bins.
        replace(
            boosting.conduct(training.spec, planned.job.cluster, session.resources, checkpoint),
            keep_bins=True,
        ),
        each=each,
    )


def _source(
    context: Context, training: Training, prepared: Prepared, tuning: Tuning
) -> RowSource | FoldedMatrix:
    """Return what trials read: rows with their folds, or training and validation rows."""
    rows = boosting.source(training, prepared)
    if tuning.dealt is None:
        return rows
    session, parts = context.session(), context.planned.train_partitions
    folds = resolved(
        session.client, prepared.data, tuning.dealt, parts, threads=session.resources.slots
    )
    return FoldedMatrix(rows, tuple(folds.under(prepared.data.split)))


def _teller(context: Context, tuning: Tuning, before: Sequence[Record]) -> Callable[[Record], None]:
    """Return what tells of each trial that has ended."""
    ended = {one.number: one for one in before}

    def tell(record: Record) -> None:
        ended[record.number] = record
        winner = best(list(ended.values()), tuning.higher)
        peak = record.peak_memory
        context.measured["tune"] = max(context.measured.get("tune", 0), peak)
        told = {
            **{name: getattr(record, name) for name in ("number", "state", "value", "best_round")},
            "params": dict(record.params),
            "metric": tuning.metric,
            "best": winner.value if winner else None,
            **({"reason": record.reason} if record.reason else {}),
        }
        context.reporter.trial(len(ended), tuning.spec.trials, told)

    return tell


def _kept(context: Context, tuning: Tuning, records: Sequence[Record]) -> dict[str, Any]:
    """Return what the search came to, which is kept in the run's folder too."""
    spec = tuning.spec
    folds = tuning.folds if tuning.dealt else 0
    found = Found(spec.method, tuning.metric, tuning.higher, folds, spec.parameters, records)
    told = found.told()
    context.run.file("tuning.json").replace(json.dumps(told, indent=2, allow_nan=False).encode())
    rows = io.BytesIO()
    found.table().write_parquet(rows)
    context.run.file("tuning.parquet").replace(rows.getvalue())
    return told


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    names = ("metric", "value", "params", "best", "best_round", "states")
    return {name: found[name] for name in names}


def _summary(found: Mapping[str, Any]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items() if count)
    return f"{found['metric']} {found['value']:.5f} of trial {found['best']}  ({states})"
