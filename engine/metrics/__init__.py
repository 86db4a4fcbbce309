"""Metrics that merge exactly: the same numbers however the rows were split."""

from engine.metrics.anomaly import AnomalyScores
from engine.metrics.binary import CLIP, BinaryScores
from engine.metrics.clustering import ClusteringScores
from engine.metrics.custom import CustomMetric
from engine.metrics.direction import HIGHER_IS_BETTER, base_name, higher_is_better
from engine.metrics.histogram import LIMIT, ScoreHistogram
from engine.metrics.measure import Measure
from engine.metrics.multiclass import MulticlassScores
from engine.metrics.ranking import RankingScores
from engine.metrics.reduction import ReductionScores
from engine.metrics.regression import RegressionScores
from engine.metrics.reliability import BINS, CalibrationBin
from engine.metrics.scores import Scores

__all__ = [
    "BINS",
    "CLIP",
    "HIGHER_IS_BETTER",
    "LIMIT",
    "AnomalyScores",
    "BinaryScores",
    "CalibrationBin",
    "ClusteringScores",
    "CustomMetric",
    "Measure",
    "MulticlassScores",
    "RankingScores",
    "ReductionScores",
    "RegressionScores",
    "ScoreHistogram",
    "Scores",
    "base_name",
    "higher_is_better",
]
