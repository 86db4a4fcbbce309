"""The baselines as contestants, fitted on what a survey has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.baselines import CONSTANT, Known, constant, contestants
from engine.calibration import Calibration
from engine.evaluation.contestants import Contestant
from engine.evaluation.measuring import Metrics
from engine.metrics import Measure
from engine.models.additive import Additive
from engine.reserved import DRAW, TARGET
from engine.training.fitting import Prepared
from engine.training.preparing import matrix

KEPT: Final = 1 << 16
"""Distinct scores of a baseline that are kept apart for an AUC."""


def baselines(prepared: Prepared, known: Known, *, all_of_them: bool) -> dict[str, Additive]:
    """Fit the baselines of a task that has a label.

    Args:
        prepared: The training data; their sample is what is fitted to.
        known: What the label is.
        all_of_them: Whether there is more than the constant.
    """
    sample, pipeline = prepared.sample, prepared.pipeline
    y = sample[TARGET].to_numpy()
    survey = prepared.survey
    counts = [survey.labels["train"].count(code) for code in range(known.classes)]
    found = {CONSTANT: constant(known, len(pipeline.features), survey.target.mean, counts, y)}
    if all_of_them:
        x = matrix(pipeline, sample, training=prepared.learned)
        draws = sample[DRAW].to_numpy()
        found |= contestants(known, x, y, draws, frozenset(pipeline.categorical))
    return found


def entered(
    models: Mapping[str, Additive], prior: Calibration | None, measure: Measure
) -> list[Contestant]:
    """Return baselines as contestants.

    Args:
        models: By name.
        prior: What corrects for training rows that were left out; None: none were.
        measure: How rows are measured.
    """
    coarse = Metrics(measure, KEPT)
    return [Contestant(model, {name: prior}, coarse) for name, model in models.items()]
