"""How good a model is, as plain data: what the page says of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.metrics import CalibrationBin

Interval = tuple[float, float]
"""Lower and upper bound of a metric."""


@dataclass(frozen=True)
class Curve:
    """A line of a figure; equally many values of both.

    Args:
        across: Values on the horizontal axis.
        up: Values on the vertical axis.
    """

    across: Sequence[float]
    up: Sequence[float]


@dataclass(frozen=True)
class Thresholds:
    """What a binary model does at each threshold of its probability.

    Args:
        threshold: Thresholds, rising.
        by_metric: Values at each threshold by metric: "precision", "recall", "f1", ...
    """

    threshold: Sequence[float]
    by_metric: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Residuals:
    """Rows by prediction and residual, which is label minus prediction, in ranges of one width.

    Args:
        predicted: Where the ranges of predictions begin, rising.
        residual: Where those of residuals begin.
        width: Width of the ranges of predictions.
        height: Width of those of residuals.
        cells: Number of the range of predictions, of that of residuals, and rows; only cells with
            rows are told.
    """

    predicted: Sequence[float]
    residual: Sequence[float]
    width: float
    height: float
    cells: Sequence[tuple[int, int, int]]


@dataclass(frozen=True)
class SliceScore:
    """Metrics of the rows that share a value, as ``results()`` returns them.

    Args:
        column: What the data are cut by.
        value: The value that the rows share.
        results: Value by metric.
        part: Part of the data that the rows are of.
        rows: How many rows.
        intervals: Bounds by metric.
        worse: Whether they are much worse than the part they are of.
    """

    column: str
    value: str
    results: Mapping[str, float]
    part: str = ""
    rows: int | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    worse: bool = False


@dataclass(frozen=True)
class ClassCounts:
    """How a model does on the rows of one class.

    Args:
        name: The class.
        rows: Rows that have it.
        predicted: Rows that were given it.
        right: Rows that have it and were given it.
    """

    name: str
    rows: int
    predicted: int
    right: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without rows of either kind."""
        both = self.rows + self.predicted
        return 2 * self.right / both if both else float("nan")


@dataclass(frozen=True)
class CrossValidation:
    """The same training on each fold of the rows.

    Args:
        folds: Value by metric, an entry for each fold, over the rows that it leaves out.
        about: How the rows were given to folds, in a few words.
    """

    folds: Sequence[Mapping[str, float]]
    about: str = ""


@dataclass(frozen=True)
class Quality:
    """All that is said of predictions; parts that are empty are left out of the page.

    Args:
        results: Value by metric and part ("train", "valid", "test").
        intervals: Bounds by metric and part.
        baselines: Value by metric, part and name of the baseline.
        roc: By part: false positive rates and true positive rates.
        pr: By part: recall and precision.
        gain: By part: share of the rows, the highest scores first, and of the positives.
        calibration: Bins of probabilities by part, as they are told.
        uncalibrated: Value by metric and part, of the model as it was before it was calibrated.
        thresholds: By part.
        threshold: The threshold that was chosen.
        threshold_by: What it was chosen by.
        judged: The part that ``by_class`` and ``confusion`` are of.
        by_class: How the model does on each class.
        confusion: Rows by true class and predicted class, unless there are too many classes.
        labels: Names of the classes of ``confusion``.
        residuals: By part.
        slices: Metrics by slice.
        cross_validation: Metrics by fold.
        warnings: What a reader must not miss.
        notes: What a reader should know, such as that a figure is of a sample.
    """

    results: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    intervals: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    roc: Mapping[str, Curve] = field(default_factory=dict)
    pr: Mapping[str, Curve] = field(default_factory=dict)
    gain: Mapping[str, Curve] = field(default_factory=dict)
    calibration: Mapping[str, Sequence[CalibrationBin]] = field(default_factory=dict)
    uncalibrated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    threshold: float | None = None
    threshold_by: str = ""
    judged: str | None = None
    by_class: Sequence[ClassCounts] = ()
    confusion: Sequence[Sequence[int]] = ()
    labels: Sequence[str] = ()
    residuals: Mapping[str, Residuals] = field(default_factory=dict)
    slices: Sequence[SliceScore] = ()
    cross_validation: CrossValidation | None = None
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def furthest(self) -> str | None:
        """The part that was kept out the furthest; None when nothing was measured."""
        return next((name for name in ("test", "valid", "train") if name in self.results), None)
