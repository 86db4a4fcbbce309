"""Features ranked by their importance, each kind as a share of its whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.report.modelling import Weight

KINDS: Mapping[str, str] = {
    "permutation": "permutation",
    "gain": "gain",
    "split": "splits",
    "coefficient": "coefficient",
}
"""What the page calls each kind, in the order that it ranks by: the first one that is there."""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Args:
        weight: The value and its spread.
        share: Share of the sum over all features; of permutations, which may be negative, and of
            coefficients: of the largest. Negative values have none.
        length: Length of the bar, from 0 to 1, against the longest of its kind.
        spread: Length of the spread on the same scale.
    """

    weight: Weight
    share: float
    length: float
    spread: float


@dataclass(frozen=True)
class Ranked:
    """Features in the order of their importance.

    Args:
        kinds: What each column is called, by its kind.
        rows: Bars by feature and kind; a feature may lack one.
    """

    kinds: Mapping[str, str]
    rows: Mapping[str, Mapping[str, Bar]]


def ranked(importance: Mapping[str, Mapping[str, Weight]]) -> Ranked | None:
    """Return the features in order; None when nothing has any importance.

    Args:
        importance: Weight by feature and kind.
    """
    known = {kind: found for kind, found in importance.items() if any(_sizes(found))}
    kinds = {kind: KINDS[kind] for kind in KINDS if kind in known}
    kinds |= {kind: kind for kind in known if kind not in kinds}
    if not kinds:
        return None
    bars = {kind: _bars(known[kind], kind) for kind in kinds}
    names = dict.fromkeys(name for kind in kinds for name in known[kind])
    first = known[next(iter(kinds))]
    order = sorted(names, key=lambda name: -_size(first[name]) if name in first else 1.0)
    rows = {name: {k: found[name] for k, found in bars.items() if name in found} for name in order}
    return Ranked(kinds, rows)


def _size(weight: Weight) -> float:
    return weight.value if weight.value == weight.value else 0.0


def _sizes(found: Mapping[str, Weight]) -> list[float]:
    return [_size(weight) for weight in found.values()]


def _bars(found: Mapping[str, Weight], kind: str) -> dict[str, Bar]:
    longest = max(map(abs, _sizes(found)))
    whole = longest if kind in ("permutation", "coefficient") else sum(_sizes(found))
    return {
        name: Bar(
            weight,
            _size(weight) / whole,
            abs(_size(weight)) / longest if kind == "coefficient" or _size(weight) > 0 else 0.0,
            (weight.spread or 0.0) / longest,
        )
        for name, weight in found.items()
    }
