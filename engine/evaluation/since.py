"""What has become of a model since it was trained: its metrics then, and now on other rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.evaluation.findings import NAMES, furthest
from engine.metrics import Scores
from engine.metrics.confidence import Interval


@dataclass(frozen=True)
class Then:
    """What a bundle says of its model.

    Attributes:
        part: The part of the training data that was kept out the furthest.
        results: Metrics on it.
        intervals: Their confidence intervals, those that are known.
    """

    part: str
    results: Mapping[str, float]
    intervals: Mapping[str, Interval]

    @classmethod
    def of(cls, metrics: Mapping[str, Any]) -> Then | None:
        """Return what ``metrics.json`` of a bundle says; None: nothing was held out."""
        results = metrics.get("results", {})
        part = furthest(list(results))
        if part is None:
            return None
        intervals = metrics.get("intervals", {}).get(part, {})
        bounds = {name: (low, high) for name, (low, high) in intervals.items()}
        return cls(part, results[part], bounds)

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        intervals = {name: list(ends) for name, ends in self.intervals.items()}
        return {"part": self.part, "results": dict(self.results), "intervals": intervals}

    def note(self, metric: str) -> str | None:
        """Return a sentence of what a metric was; None where it was not told."""
        if metric not in self.results:
            return None
        value = _shown(self.results[metric], self.intervals.get(metric))
        return f"in training the model had {metric} {value} on {NAMES[self.part]} rows"

    def worse(self, now: Scores, metric: str, better: bool) -> str | None:
        """Return a sentence if a metric has become worse by more than chance allows.

        That is when the confidence intervals of then and now do not touch. (The rows are others:
        the model may be what it was, and the rows harder.)

        Args:
            now: Scores of the rows that are measured now.
            metric: Which metric.
            better: Whether more of it is better.
        """
        ends, then = now.intervals().get(metric), self.intervals.get(metric)
        if ends is None or then is None or any(map(math.isnan, (*ends, *then))):
            return None
        if not (ends[1] < then[0] if better else ends[0] > then[1]):
            return None
        here = _shown(now.results({metric})[metric], ends)
        there = _shown(self.results[metric], then)
        return (
            f"the model is worse than it was in training: {metric} {here}, and {there} on "
            f"{NAMES[self.part]} rows then; look at what has changed in the data, or train it again"
        )


def _shown(value: float, ends: Interval | None) -> str:
    return f"{value:.5g}" + (f" ({ends[0]:.5g} to {ends[1]:.5g})" if ends else "")
