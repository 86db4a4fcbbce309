"""The models that bound a prediction in ``[score]``: whether they can, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import SpecError
from jobs.spec.predicting import INTERVAL
from jobs.work.scorer import Scorer

LOWER, UPPER = f"{INTERVAL}.lower", f"{INTERVAL}.upper"
"""Keys of the two models in ``[score]``."""


def coverage(scorers: Mapping[str, Scorer]) -> float | None:
    """Return the share of labels that an interval is to hold, nominally; None without one.

    Args:
        scorers: Models by key, as `assert_bounds` lets them pass.
    """
    if LOWER not in scorers:
        return None
    lower, upper = scorers[LOWER].quantile or 0.0, scorers[UPPER].quantile or 0.0
    return round(upper - lower, 12)  # 0.95 - 0.05 is 0.8999999999999999


def assert_bounds(scorers: Mapping[str, Scorer]) -> None:
    """Refuse an interval whose models do not bound the prediction of ``model``.

    Args:
        scorers: Models by key; without those of an interval nothing is asked.

    Raises:
        SpecError: A bound is no quantile, the quantiles are in the wrong order, ``model`` predicts
            no number, or the models learned different labels.
    """
    if LOWER not in scorers:
        return
    model = scorers["model"]
    if model.task != "regression":
        raise SpecError(
            f"there is no interval around the prediction of a {model.task} model",
            where="score.model",
            hint="leave interval out, or name a regression",
        )
    lower, upper = (_quantile(key, scorers[key]) for key in (LOWER, UPPER))
    if lower >= upper:
        raise SpecError(
            f"{scorers[LOWER].reference} predicts the quantile {lower:g} and "
            f"{scorers[UPPER].reference} the quantile {upper:g}: nothing lies between them",
            where=f"score.{LOWER} and score.{UPPER}",
            hint="name the model of the smaller alpha as lower",
        )
    if model.quantile is not None and not lower < model.quantile < upper:
        raise SpecError(
            f"{model.reference} predicts the quantile {model.quantile:g}, "
            f"which is not between {lower:g} and {upper:g}",
            where="score.model",
            hint="name a model of the median (alpha = 0.5) or of the mean",
        )
    for key in (LOWER, UPPER):
        if scorers[key].target != model.target:
            raise SpecError(
                f"{scorers[key].reference} learned {scorers[key].target!r} and "
                f"{model.reference} {model.target!r}",
                where=f"score.{key}",
                hint="train all three on the same label",
            )


def _quantile(key: str, scorer: Scorer) -> float:
    if scorer.quantile is None:
        raise SpecError(
            f"{scorer.reference} is no quantile model, so nobody knows how often the label lies "
            "beyond it",
            where=f"score.{key}",
            hint='train it with objective = "quantile" and params = { alpha = ... }',
        )
    return scorer.quantile
