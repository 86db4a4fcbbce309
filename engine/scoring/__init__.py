"""Scoring: one task a partition reads, checks, prepares, predicts and stages one part.

>>> from engine.scoring import Asked, Bundled  # doctest: +SKIP
>>> Bundled(bundle, Asked(threshold=0.3)).predict(rows)  # doctest: +SKIP
[shape: (2,) Series: 'prediction' [i8] ..., shape: (2,) Series: 'probability' [f32] ...]
"""

from engine.scoring.added import PREDICTION, PROBABILITY, prediction_columns, predictions
from engine.scoring.asked import Asked
from engine.scoring.bundled import Bundled
from engine.scoring.interval import CROSSED, Interval
from engine.scoring.model import Model
from engine.scoring.several import Mean, Several, Stacked, named
from engine.scoring.task import ScoringWork, score

__all__ = [
    "CROSSED",
    "PREDICTION",
    "PROBABILITY",
    "Asked",
    "Bundled",
    "Interval",
    "Mean",
    "Model",
    "ScoringWork",
    "Several",
    "Stacked",
    "named",
    "prediction_columns",
    "predictions",
    "score",
]
