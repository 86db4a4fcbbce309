"""``metrics.json``: the numbers of a report, for programs.

The schema is stable: keys are added, none changes its meaning without another ``format``. There is
no NaN in it: what has no value is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from jobs.report.outcome import Ledger, Report

FORMAT = 1
"""Version of the schema."""


def numbers(report: Report, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a report as JSON values.

    Args:
        report: What the run came to.
        metrics: ``metrics.json`` of the model's bundle; empty when nothing was trained.

    Returns:
        ``format``, ``job``, ``run``, ``started`` (ISO 8601), ``seconds``, ``task``, ``metric``,
        ``data`` (rows by part, files, bytes, partitions, features, labels, ledger), ``memory``
        (projected, measured and limit by step, bytes), ``ledger`` (of the scoring, rows),
        ``model`` (digests, parameters, facts, versions), and ``metrics``: all that the bundle
        holds of the model, such as ``results`` by part and metric.
    """
    told = {
        "format": FORMAT,
        "job": report.job,
        "run": report.run,
        "started": report.when.isoformat(),
        "seconds": report.duration,
        "task": report.task,
        "metric": report.metric,
        "data": vars(report.data) if report.data else None,
        "memory": {
            step.step: {
                "projected": step.projected,
                "measured": step.measured,
                "limit": step.limit,
            }
            for step in report.memory
        },
        "ledger": _ledger(report.ledger) if report.ledger else None,
        "model": {name: value for name, value in vars(report.provenance).items() if name != "job"},
        "metrics": metrics,
    }
    return {name: finite(value) for name, value in told.items()}


def encoded(told: Mapping[str, Any]) -> bytes:
    """Return the file: JSON with sorted keys, a key a line."""
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def finite(value: Any) -> Any:
    """Return JSON values in which NaN and infinite numbers are null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): finite(one) for name, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value


def _ledger(ledger: Ledger) -> dict[str, Any]:
    return {
        "rows_in": ledger.rows_in,
        "scored": ledger.scored,
        "quarantined": ledger.quarantined,
        "filtered": ledger.filtered,
        "unread": ledger.unread,
        "missing": ledger.missing,
    }
