"""The section ``[tune]``: trials before the model is trained, as a step of the run."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.training.fitting import Prepared
from engine.tuning.history import History, Record
from engine.tuning.search import best, search
from engine.tuning.table import Found
from jobs.fingerprint import training_digest
from jobs.planning.training import room
from jobs.sections.context import Context
from jobs.sections.trials import trials_of
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
    trying = room(
        planned.job,
        training,
        planned.train_partitions,
        session.resources,
        planned.subsets,
        planned.spread,
    )
    if trying is None:
        return training, {}
    tuning = trying.tuning
    context.start("tune", 0)
    digest = training_digest(planned.job, training)[:16]
    history = History(context.run.file(f"{TRIALS}/{trying.name}{digest}"))
    with trials_of(context, training, prepared, trying, history.folder) as trials:
        told = _teller(context, tuning, list(history.read().values()))
        records = search(trials, trying.search, history, told=told, cancel=context.stop)
    found = _kept(context, tuning, records)
    spec = tuning.taken(dict(found["params"]), found["best_round"])
    context.reporter.step_done({"summary": _summary(found), **_told(found)})
    return replace(training, spec=spec), {"tuning": found}


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
