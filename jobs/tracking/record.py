"""What is recorded of a run: parameters, metrics by step, tags. Knows nothing of MLflow."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jobs.report.measured import BASELINE

_REFUSED = re.compile(r"[^\w\-. :/]")
"""What MLflow takes in no name: ``ndcg@5`` is told as ``ndcg_5``."""


class Point(NamedTuple):
    """One value of a metric: its name, the value, and the round that it is of (0 without)."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class Record:
    """All that is recorded of a run, but its files.

    Attributes:
        name: The run's own id.
        params: Text by name.
        points: Finite numbers.
        tags: Text by name.
    """

    name: str
    params: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def record(told: Mapping[str, Any], job: Mapping[str, Any], tags: Mapping[str, str]) -> Record:
    """Return what is recorded of a run.

    Args:
        told: Its ``metrics.json``.
        job: The resolved job.
        tags: The user's own.
    """
    model, train = told["model"], job.get("train") or {}
    params = {
        "job": told["job"],
        "task": told["task"],
        "features": (told["data"] or {}).get("features"),
        **{name: model["facts"].get(name) for name in ("estimator", "target", "seed")},
        **{f"param.{name}": value for name, value in model["params"].items()},
        **{f"train.{name}": value for name, value in train.items() if name != "params"},
    }
    own = {
        "millrace.run": told["run"],
        "millrace.job": told["job"],
        **{f"millrace.digest.{name}": value for name, value in model["digests"].items()},
        **{f"millrace.version.{name}": value for name, value in model["versions"].items()},
    }
    return Record(
        told["run"],
        {name: _text(value) for name, value in params.items() if value is not None},
        tuple(point for point in _points(told) if math.isfinite(point.value)),
        {**own, **tags},
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _points(told: Mapping[str, Any]) -> Iterator[Point]:
    """Yield the numbers of a run; those of a group share what stands before the first slash."""
    metrics = told["metrics"]
    for part, results in (metrics.get("results") or {}).items():
        if not part.startswith(BASELINE):
            yield from _named(part, results)
    for name, parts in (metrics.get("baselines") or {}).items():
        for part, results in parts.items():
            yield from _named(f"baseline/{name}/{part}", results)
    for place, entry in enumerate(metrics.get("history") or (), 1):
        rest = {name: value for name, value in entry.items() if name != "round"}
        yield from _named("rounds", rest, int(entry.get("round", place)))
    yield from _named("run", {"seconds": told["seconds"], "best_round": metrics.get("best_round")})
    yield from _named("rows", (told["data"] or {}).get("rows", {}))
    for step, bytes_of in told["memory"].items():
        yield from _named(f"memory/{step}", bytes_of)
    yield from _named("scoring", told["ledger"] or {})


def _named(group: str, values: Mapping[str, Any], step: int = 0) -> Iterator[Point]:
    for name, value in values.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield Point(_REFUSED.sub("_", f"{group}/{name}"), float(value), step)
