"""Rows counted by predicted probability: how far it is from what came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BINS: Final = 20

_FIXED_POINT: Final = float(1 << 24)  # an int64 bin then holds 2**39 rows without overflow

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose predicted probability falls in one twentieth of [0, 1].

    Args:
        rows: How many.
        predicted: Their mean predicted probability.
        observed: Their share of those for which it came true.
    """

    rows: int
    predicted: float
    observed: float


def no_bins() -> Counts:
    """Return the counts of no rows."""
    return np.zeros((3, BINS), np.int64)


def binned(true: npt.NDArray[np.bool_], p: npt.NDArray[np.floating]) -> Counts:
    """Count rows by probability.

    Args:
        true: Shape (n,), whether it came true.
        p: Shape (n,), probabilities.

    Returns:
        Shape (3, `BINS`): rows, those for which it came true, sum of probabilities in units of
        2**-24. Counts of parts add up.
    """
    place = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    fixed = np.rint(p.astype(np.float64) * _FIXED_POINT)
    # Sums of integers below 2**53: exact in the float64 that bincount adds up in.
    rows = np.bincount(place, minlength=BINS)
    sums = [np.bincount(place, weights, BINS).astype(np.int64) for weights in (true, fixed)]
    return np.stack([rows, *sums])


def bins_of(counts: Counts) -> list[CalibrationBin]:
    """Return the bins that hold rows, from low to high probability."""
    return [
        CalibrationBin(rows, total / _FIXED_POINT / rows, true / rows)
        for rows, true, total in counts.T.tolist()
        if rows
    ]


def expected_error(bins: Sequence[Sequence[float]]) -> float:
    """Return the expected calibration error of bins: rows, mean probability and share of each.

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian
    binning": the mean over the rows of how far their bin's mean prediction is from its share.
    """
    return sum(n * abs(p - share) for n, p, share in bins) / sum(n for n, _, _ in bins)
