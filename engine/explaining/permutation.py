"""How much worse a model is when the values of a feature are shuffled among rows."""

from __future__ import annotations

import numpy as np

from engine.bundle import Bundle
from engine.explaining.drawn import Drawn
from engine.metrics import Measure


def measured(bundle: Bundle, measure: Measure, rows: Drawn) -> float:
    """Return the metric that decides, of the model as it is."""
    return _value(bundle, measure, rows, rows.x)


def drops(
    bundle: Bundle, measure: Measure, rows: Drawn, feature: int, *, repeats: int, seed: int
) -> list[float]:
    """Return how much worse the metric becomes, for each shuffle; above 0 is worse.

    Source: Breiman, "Random Forests" (2001), section 10; as `sklearn.inspection`'s
    ``permutation_importance``.

    Args:
        bundle: The model.
        measure: Its first metric that is followed decides.
        rows: The sample.
        feature: Position of the feature.
        repeats: How often it is shuffled.
        seed: With the feature's position it decides the shuffles.
    """
    name = measure.followed[0]
    sign = 1 if measure.better(name) else -1
    whole = measured(bundle, measure, rows)
    random = np.random.default_rng([seed, feature])
    x, found = rows.x.copy(), []
    for _ in range(repeats):
        x[:, feature] = rows.x[random.permutation(rows.rows), feature]
        found.append(sign * (whole - _value(bundle, measure, rows, x)))
    return found


def _value(bundle: Bundle, measure: Measure, rows: Drawn, x: np.ndarray) -> float:
    said = bundle.calibrated(bundle.model.predict(x))
    return float(measure.of(rows.y, said, rows.query).results()[measure.followed[0]])
