"""When a model does so much better on the rows it was made of that chance cannot be why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.metrics.confidence import LEVEL, Interval
from engine.metrics.direction import HIGHER_IS_BETTER, base_name
from engine.metrics.scores import Scores

MARGIN: Final = 0.1
"""How much worse a part may be, as a share of what it lacks of the best value, without a word."""

_PAIRS: Final = (("train", "valid"), ("valid", "test"))
_PERFECT: Final = 1.0  # of metrics of which more is better
_UNBOUNDED: Final = frozenset({"lift", "calinski_harabasz"})
_LIKELY: Final = {
    "train": "the model may be overfitted: try fewer leaves or rounds, or more rows",
    "valid": "it was chosen by these rows, or the parts differ: trust the later part",
}


def warnings(
    parts: Mapping[str, Scores],
    metric: str,
    *,
    higher_is_better: bool | None = None,
    level: float = LEVEL,
    margin: float = MARGIN,
) -> list[str]:
    """Tell where the earlier of two parts has a better value than can be by chance.

    Compared are ``train`` with ``valid`` and ``valid`` with ``test``. A warning is given when the
    confidence intervals of the metric in both do not even touch, and the values are further apart
    than ``margin`` times what the later part lacks of the best value: 1 of metrics of which more is
    better, 0 of losses; of lift and others without a best value, of the value itself. A metric
    without an interval (the user's own) is judged by the margin alone.

    Args:
        parts: Scores by part; those that are missing are not compared.
        metric: Which one is looked at, usually the first of ``Measure.followed``.
        higher_is_better: Its direction, for a metric that is not millrace's own.
        level: Of the intervals.
        margin: See above.

    Returns:
        One text for each pair of parts that is too far apart.
    """
    better = HIGHER_IS_BETTER[base_name(metric)] if higher_is_better is None else higher_is_better
    seen = {name: _Seen.of(scores, metric, level) for name, scores in parts.items()}
    texts = []
    for one, two in _PAIRS:
        if one not in seen or two not in seen:
            continue
        allowed = margin * seen[two].lacks(metric, better)
        if seen[one].beats(seen[two], better, allowed):
            what = f"{metric} is better on {one} ({seen[one]}) than on {two} ({seen[two]})"
            texts.append(f"{what} by more than chance allows: {_LIKELY[one]}")
    return texts


@dataclass(frozen=True)
class _Seen:
    """A metric of one part, with its interval where it has one."""

    value: float
    interval: Interval | None

    @classmethod
    def of(cls, scores: Scores, metric: str, level: float) -> _Seen:
        return cls(scores.results({metric})[metric], scores.intervals(level).get(metric))

    def __str__(self) -> str:
        ends = f", {self.interval[0]:.4g} to {self.interval[1]:.4g}" if self.interval else ""
        return f"{self.value:.4g}{ends}"

    def beats(self, other: _Seen, better: bool, allowed: float) -> bool:
        """Tell whether it is better beyond both intervals and what is allowed; not where NaN."""
        low, high = self.interval or (self.value, self.value)
        low2, high2 = other.interval or (other.value, other.value)
        apart = low > high2 if better else high < low2
        return apart and abs(self.value - other.value) > allowed

    def lacks(self, metric: str, better: bool) -> float:
        """Return how far the value is from the best."""
        bounded = better and base_name(metric) not in _UNBOUNDED
        return abs(_PERFECT - self.value) if bounded else abs(self.value)
