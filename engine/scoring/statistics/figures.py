"""What is told of a column in ``statistics.json``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from engine.exact import ExactSum
from engine.profile.values import figure, kind_of, unit, written
from engine.scoring.statistics.buckets import BUCKETS, SHARES, bucketed, counted, quantiles
from engine.scoring.statistics.cells import Cells
from engine.statistics.moments import Moments

LEVELS = 100
"""Values of a text or a flag that are listed, most frequent first."""


def figures(cells: Cells, values: pl.Series | None) -> dict[str, Any]:
    """Return the figures of a column, plain JSON.

    Args:
        cells: Counts of all its cells.
        values: Its sampled cells; ``None`` where the type is not sampled.
    """
    kind = "other" if values is None else kind_of(values.dtype)
    told: dict[str, Any] = {"type": cells.type, "kind": kind}
    told |= {name: getattr(cells, name) for name in ("rows", "nulls", "nan", "infinite")}
    if values is None:
        return told
    if kind in ("number", "time"):
        told |= {"min": written(cells.low, values.dtype), "max": written(cells.high, values.dtype)}
    known = values.drop_nulls() if values.null_count() else values
    if kind in ("text", "flag"):
        there, sampled = len(known), _levels(known)
    else:
        there, sampled = _numbers(known)
    once = sampled.pop("once", 0)
    sampled["distinct_estimate"] = _distinct(once, sampled["distinct"], there, cells.present)
    return {**told, "sample": {"values": there, **sampled}}


def _numbers(known: pl.Series) -> tuple[int, dict[str, Any]]:
    """Return how many numbers or times there are, and the figures of those that are finite."""
    kind, there = known.dtype, len(known)
    numbers = (known if kind.is_numeric() else known.to_physical()).to_numpy()
    if kind.is_float() and not (good := np.isfinite(numbers)).all():
        there -= int(np.isnan(numbers).sum())
        numbers = numbers[good]
    if not len(numbers):
        return there, {"distinct": 0}
    values, counts = counted(numbers)
    lows, rows = bucketed(values, counts)
    moments = Moments(len(numbers), *ExactSum.of_both(numbers))
    at = zip(SHARES, quantiles(values, counts), strict=True)
    return there, {
        "mean": written(moments.mean, kind),
        "std": figure(moments.std * unit(kind)),
        "quantiles": {str(share): written(value.item(), kind) for share, value in at},
        "buckets": {
            "from": [written(low, kind) for low in lows.tolist()],
            "rows": rows.tolist(),
            "single": len(values) <= BUCKETS,
        },
        "distinct": len(values),
        "once": int((counts == 1).sum()),
    }


def _levels(known: pl.Series) -> dict[str, Any]:
    """Return the figures of text or flags."""
    table = known.cast(pl.String).alias("level").value_counts()
    table = table.sort("count", "level", descending=[True, False])
    shown = table.head(LEVELS)
    return {
        "levels": [list(row) for row in shown.rows()],
        "others": len(known) - int(shown["count"].sum()),
        "distinct": table.height,
        "once": int((table["count"] == 1).sum()),
    }


def _distinct(once: int, distinct: int, sampled: int, rows: int) -> int:
    """Estimate how many different values all rows have.

    Source: the guaranteed-error estimator of Charikar and others (2000), "Towards estimation error
    guarantees for distinct values"; off by at most the square root of rows / sampled, as a factor.

    Args:
        once: Values that the sample has once.
        distinct: Different values in the sample.
        sampled: Values in the sample.
        rows: Values in all rows.
    """
    if not sampled:
        return 0
    return min(rows, distinct - once + round(math.sqrt(rows / sampled) * once))
