"""Scoring: one task a partition reads, checks, prepares, predicts and stages one part.

>>> from engine.scoring import Asked, Bundled  # doctest: +SKIP
>>> Bundled(bundle, Asked(threshold=0.3)).predict(rows)  # doctest: +SKIP
[shape: (2,) Series: 'prediction' [i8] ..., shape: (2,) Series: 'probability' [f32] ...]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_LATER = {
    "CROSSED": "engine.scoring.interval",
    "PREDICTION": "engine.scoring.added",
    "PROBABILITY": "engine.scoring.added",
    "Asked": "engine.scoring.asked",
    "Bundled": "engine.scoring.bundled",
    "Interval": "engine.scoring.interval",
    "Mean": "engine.scoring.several",
    "Model": "engine.scoring.model",
    "ScoringWork": "engine.scoring.task",
    "Several": "engine.scoring.several",
    "Stacked": "engine.scoring.several",
    "named": "engine.scoring.several",
    "prediction_columns": "engine.scoring.added",
    "predictions": "engine.scoring.added",
    "score": "engine.scoring.task",
}


def __getattr__(name: str) -> object:
    """Import on first use: the process that holds a foreign model scores nothing by itself."""
    if name not in _LATER:
        raise AttributeError(f"module 'engine.scoring' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
