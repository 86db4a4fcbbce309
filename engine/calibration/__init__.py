"""Calibrated predictions: probabilities that are shares of rows, quantiles that are quantiles.

They are fitted on validation rows that were counted by what the model says of them (`Counted`,
`engine.metrics.residuals`). Counts merge exactly: no row is kept, and the order of partitions says
nothing.

>>> from engine.calibration import fitted, restored  # doctest: +SKIP
>>> restored(fitted("isotonic", histogram).told()).apply(p)  # doctest: +SKIP
array([0.12, 0.87])
"""

from engine.calibration.classes import TEMPERATURE, ByClass, Temperature
from engine.calibration.counted import Counted, CountedScores, mapped
from engine.calibration.fit import Kind, Method, fitted, fitted_classes, shifted
from engine.calibration.lines import CONFORMAL, Isotonic, Shift, Sigmoid
from engine.calibration.prior import Prior
from engine.calibration.stored import Calibration, Chain, restored

__all__ = [
    "CONFORMAL",
    "TEMPERATURE",
    "ByClass",
    "Calibration",
    "Chain",
    "Counted",
    "CountedScores",
    "Isotonic",
    "Kind",
    "Method",
    "Prior",
    "Shift",
    "Sigmoid",
    "Temperature",
    "fitted",
    "fitted_classes",
    "mapped",
    "restored",
    "shifted",
]
