"""What a user has to be told of an evaluation: a model that is not worth its trouble, or less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from engine.baselines import ABOUT
from engine.evaluation.contestants import MODEL
from engine.evaluation.scored import Evaluation
from engine.evaluation.slices import Slices
from engine.metrics import Measure, Scores, overfit

NAMES: Final[Mapping[str, str]] = {"train": "training", "valid": "validation", "test": "test"}

WORSE: Final = 1.5
"""A slice is much worse when its loss is so many times that of all rows, or when so many times as
much is missing to a perfect score; and when its confidence interval does not reach that of all."""

FEWEST: Final = 200
"""Rows of a slice that is judged: the mean loss of fewer is mostly chance."""


def furthest(parts: Sequence[str]) -> str | None:
    """Return the part that was held out the furthest; None: no part was."""
    return next((part for part in ("test", "valid") if part in parts), None)


def told(found: Evaluation, slices: Slices | None, measure: Measure) -> list[str]:
    """Return all that has to be told, in sentences.

    Args:
        found: What was measured.
        slices: By what the model was sliced, if it was.
        measure: How; the first of the metrics that are followed is looked at.
    """
    metric = measure.followed[0]
    better = measure.better(metric)
    over = overfit.warnings(found.of(MODEL), metric, higher_is_better=better)
    worse = much_worse(found, slices, measure) if slices is not None else ()
    return [*beaten(found, measure), *over, *worse]


def beaten(found: Evaluation, measure: Measure) -> Iterator[str]:
    """Yield a sentence for each baseline that is better than the model on held-out rows."""
    part, metric = furthest(list(found.of(MODEL))), measure.followed[0]
    if part is None:
        return
    own = _value(found.of(MODEL)[part], metric)
    for name, about in ABOUT.items():
        scores = found.of(name).get(part)
        if scores is None:
            continue
        other = _value(scores, metric)
        if other > own if measure.better(metric) else other < own:
            yield (
                f"the baseline {name} ({about}) is better than the model on {NAMES[part]} rows: "
                f"{metric} {other:.5g}, and {own:.5g} of the model; look at parameters, features "
                "and split"
            )


def much_worse(found: Evaluation, slices: Slices, measure: Measure) -> Iterator[str]:
    """Yield a sentence for each slice on which the model is much worse than on all rows."""
    part, metric = furthest(slices.parts), measure.followed[0]
    if part is None:
        return
    whole = _value(found.of(MODEL)[part], metric)
    for number, slicing in enumerate(slices.slicings):
        for place, by_part in found.sliced(number):
            if part in by_part and _is_worse(by_part[part], whole, metric, measure.better(metric)):
                yield (
                    f"the model is much worse on {NAMES[part]} rows with {slicing.text} = "
                    f"{slicing.name(place)}: {metric} {_value(by_part[part], metric):.5g} on "
                    f"{int(_value(by_part[part], 'rows')):,} rows, and {whole:.5g} on all"
                )


def _is_worse(scores: Scores, whole: float, metric: str, better: bool) -> bool:
    """Tell whether a slice is much worse, and that by more than chance allows."""
    if _value(scores, "rows") < FEWEST:
        return False
    own = _value(scores, metric)
    low, high = scores.intervals().get(metric, (own, own))
    if better:
        return 1 - own > WORSE * (1 - whole) and high < whole
    return whole > 0 and own > WORSE * whole and low > whole


def _value(scores: Scores, metric: str) -> float:
    return scores.results({metric})[metric]
