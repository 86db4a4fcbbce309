"""Metrics that merge exactly: the same numbers however the rows were split."""

from engine.metrics.histogram import LIMIT, ScoreHistogram
from engine.metrics.scores import (
    BINS,
    CLIP,
    HIGHER_IS_BETTER,
    BinaryScores,
    CalibrationBin,
    RegressionScores,
    Scores,
    baseline_scores,
    metric_value,
    scores_for,
)

__all__ = [
    "BINS",
    "CLIP",
    "HIGHER_IS_BETTER",
    "LIMIT",
    "BinaryScores",
    "CalibrationBin",
    "RegressionScores",
    "ScoreHistogram",
    "Scores",
    "baseline_scores",
    "metric_value",
    "scores_for",
]
