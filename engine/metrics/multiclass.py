"""What a model of several classes is worth on some rows: statistics that merge without rounding."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.errors import MillraceError
from engine.exact import ExactSum
from engine.metrics import confidence, confusion
from engine.metrics.binary import CLIP
from engine.metrics.confidence import Interval
from engine.metrics.histogram import LIMIT, ScoreHistogram, refuse_missing
from engine.metrics.reliability import binned, bins_of, no_bins
from engine.metrics.scores import asked, mean

MATRIX_CLASSES: Final = 20
"""Classes up to which a report shows the whole confusion matrix."""

AUC_CLASSES: Final = 20
"""Classes up to which each has its AUC against the rest; their histograms share `LIMIT`."""

Matrix = npt.NDArray[np.floating]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MulticlassScores:
    """Statistics of class probabilities against codes of classes; the same in any order.

    The predicted class is the most probable one, the first of equals, as NumPy's ``argmax`` and
    scikit-learn have it. (LightGBM's ``multi_error`` counts a tie with the true class as an error.)

    Attributes:
        confusion: Shape (k, k) int64: rows by true class and predicted class.
        loss: Sum of -log of the probability given to the true class, clipped at ``CLIP``: the
            ``multi_logloss`` of LightGBM (src/metric/multiclass_metric.hpp).
        loss_squares: Sum of the squares of these.
        squares: Sum over rows and classes of the squared difference between the probability of the
            class and 1 (the true one) or 0.
        fourths: Sum of the squares of what each row adds to these. ``loss_squares``, ``squares``
            and this are 0 for the rounds of a training.
        ranks: Of each class the rows by its probability, those of the class as positives; empty
            when there are more than ``AUC_CLASSES``, and for the rounds of a training.
        beta: Of F-beta.
        top: Shape (3, `BINS`), rows by the probability of their predicted class, and whether
            it is the true one; 0 for the rounds of a training.
    """

    confusion: Counts
    loss: ExactSum = field(default_factory=ExactSum)
    loss_squares: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    fourths: ExactSum = field(default_factory=ExactSum)
    ranks: tuple[ScoreHistogram, ...] = ()
    beta: float = 1.0
    top: Counts = field(default_factory=no_bins)

    @classmethod
    def empty(cls, classes: int, beta: float = 1.0) -> MulticlassScores:
        """Return the statistics of no rows."""
        none = np.empty(0)
        return cls.of(none, np.empty((0, classes)), classes, beta=beta)

    @classmethod
    def of(
        cls,
        y: npt.NDArray[np.generic],
        p: Matrix,
        classes: int,
        *,
        whole: bool = True,
        beta: float = 1.0,
    ) -> MulticlassScores:
        """Score one block of rows.

        Args:
            y: Shape (n,), codes 0 to ``classes - 1`` in any numeric dtype.
            p: Shape (n, classes), probabilities; those of a row need not add up to 1.
            classes: How many there are.
            whole: Whether what only an evaluation tells is counted too: squares, for confidence,
                Brier score and AUC, which takes a sort for each class.
            beta: Of F-beta.

        Raises:
            MillraceError: On NaN, labels that are no code, p outside [0, 1], or other shapes.
        """
        codes = _codes(y, p, classes)
        outside = int(np.count_nonzero(((p < 0) | (p > 1)).any(axis=1)))
        if outside:
            raise MillraceError(
                f"{outside} of {len(p)} predictions are not probabilities between 0 and 1",
                hint="a multiclass model must return probabilities, not raw scores",
            )
        said = p.argmax(axis=1)
        cells = codes * classes + said
        counts = np.bincount(cells, minlength=classes * classes).astype(np.int64)
        # Contiguous float64, so that the logarithm takes the same path wherever a block is cut.
        likelihood = p[np.arange(len(p)), codes].astype(np.float64)
        return cls(
            counts.reshape(classes, classes),
            *confidence.sums(-np.log(np.maximum(likelihood, CLIP)), whole),
            *(ExactSum.of_both(_distances(codes, p)) if whole else (ExactSum(), ExactSum())),
            _ranks(codes, p, classes) if whole else (),
            beta,
            binned(said == codes, p[np.arange(len(p)), said]) if whole else no_bins(),
        )

    def merge(self, other: MulticlassScores) -> MulticlassScores:
        """Return the statistics of both sets of rows, which were counted alike."""
        return MulticlassScores(
            self.confusion + other.confusion,
            self.loss + other.loss,
            self.loss_squares + other.loss_squares,
            self.squares + other.squares,
            self.fourths + other.fourths,
            tuple(a.merge(b) for a, b in zip(self.ranks, other.ranks, strict=True)),
            self.beta,
            self.top + other.top,
        )

    def by_class(self) -> Counts:
        """Return rows, rows predicted as it, and rows predicted rightly of each class: (k, 3)."""
        matrix = self.confusion
        return np.stack([matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()], axis=1)

    def results(self, names: Collection[str] | None = None) -> dict[str, float]:
        """Return the metrics by name; NaN without rows.

        Decisions: `engine.metrics.confusion.of_several`. ``auc_macro`` is the mean over the classes
        that some but not all rows have of the AUC of the class against all others (scikit-learn
        gives NaN when a class is missing); ``auc_macro_error`` bounds what was lost where scores
        share a key. ``brier`` adds up the classes, as scikit-learn's does from three classes on.

        Args:
            names: The ones that are wanted; all unless told.
        """
        rows = int(self.confusion.sum())
        decided = confusion.of_several(self.confusion, self.beta)
        ranks = {"auc_macro": self._auc, "auc_macro_error": self._auc_error} if self.ranks else {}
        return asked(
            {
                "rows": lambda: rows,
                "log_loss": lambda: mean(self.loss.value, rows),
                **{name: partial(float, value) for name, value in decided.items()},
                "brier": lambda: mean(self.squares.value, rows),
                **ranks,
            },
            names,
        )

    def intervals(self, level: float = confidence.LEVEL) -> dict[str, Interval]:
        """Return the confidence intervals of the metrics; `engine.metrics.confidence` says how."""
        rows, right = int(self.confusion.sum()), int(self.confusion.trace())
        return {
            "log_loss": confidence.of_mean(self.loss, self.loss_squares, rows, level),
            "brier": confidence.of_mean(self.squares, self.fourths, rows, level),
            **confidence.bootstrap(
                self.confusion, lambda tables: confusion.of_several(tables, self.beta), level
            ),
            "accuracy": confidence.wilson(right, rows, level),
        }

    def curves(self) -> dict[str, Any]:
        """Return what a report draws.

        ``by_class``: the counts of `by_class`. ``decided_by_class``: precision, recall, F1 and AUC
        of each class, ``None`` where there is none. ``confidence``: bins of the probability of the
        predicted class, each with its rows, their mean probability and the share that is right.
        ``confusion``: the matrix, unless there are too many classes.
        """
        margins = confusion.Margins.of(self.confusion)
        aucs = [ranks.auc() for ranks in self.ranks] or [float("nan")] * len(self.confusion)
        columns = np.stack([margins.precision(), margins.recall(), margins.f_beta(1.0), aucs], 1)
        found = {
            "confidence": [[one.rows, one.predicted, one.observed] for one in bins_of(self.top)],
            "by_class": self.by_class().tolist(),
            "decided_by_class": [
                [None if math.isnan(value) else value for value in row] for row in columns.tolist()
            ],
        }
        if len(self.confusion) > MATRIX_CLASSES:
            return found
        return {**found, "confusion": self.confusion.tolist()}

    def _auc(self) -> float:
        return _average([ranks.auc() for ranks in self.ranks if all(ranks.totals)])

    def _auc_error(self) -> float:
        return _average([ranks.auc_error() for ranks in self.ranks if all(ranks.totals)])


def _codes(y: npt.NDArray[np.generic], p: Matrix, classes: int) -> Counts:
    """Return the labels as integers, after checking both."""
    if y.ndim != 1 or p.shape != (len(y), classes):
        what = f"labels have shape {y.shape}, predictions {p.shape}: not one row each of {classes}"
        raise MillraceError(f"{what} probabilities")
    refuse_missing(y, p.max(axis=1))
    codes = y.astype(np.int64)
    odd = int(np.count_nonzero((codes != y) | (codes < 0) | (codes >= classes)))
    if odd:
        raise MillraceError(
            f"{odd} of {len(y)} labels are no codes of classes from 0 to {classes - 1}",
            hint="give the classes in `train.classes`, or leave it out",
        )
    return codes


def _distances(codes: Counts, p: Matrix) -> npt.NDArray[np.float64]:
    """Return the squared distance of each row to its class, shape (n,)."""
    total = np.zeros(len(p))
    # Class by class, so that a row adds up in the same order whatever array it stands in.
    for code in range(p.shape[1]):
        off = p[:, code].astype(np.float64)
        off -= codes == code
        off *= off
        total += off
    return total


def _ranks(codes: Counts, p: Matrix, classes: int) -> tuple[ScoreHistogram, ...]:
    if classes > AUC_CLASSES:
        return ()
    limit = LIMIT // max(1, classes)
    return tuple(ScoreHistogram.of(codes == code, p[:, code], limit) for code in range(classes))


def _average(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
