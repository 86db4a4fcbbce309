"""Metrics against the same formulas in fractions, to 1e-12 also where scikit-learn rounds more."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from engine.metrics import Measure
from engine.metrics.separation import calinski_harabasz, davies_bouldin, silhouette
from tests.engine.metrics.states import merged

EXACT = 1e-12
Rows = list[list[Fraction]]


def fractions(values: npt.NDArray[Any]) -> list[Fraction]:
    return [Fraction(float(value)) for value in values]


def mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction()) / len(values)


def spread(values: list[Fraction]) -> Fraction:
    middle = mean(values)
    return sum(((value - middle) ** 2 for value in values), Fraction())


def root(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 50
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def lost(y: npt.NDArray[Any], p: npt.NDArray[Any]) -> tuple[float, float]:
    """Return 1 - R2 and 1 - explained variance."""
    errors = [b - a for a, b in zip(fractions(y), fractions(p), strict=True)]
    squares, whole = sum((one * one for one in errors), Fraction()), spread(fractions(y))
    return float(squares / whole), float(spread(errors) / whole)


@settings(deadline=None)
@given(
    st.integers(2, 60),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.0, 1e3, -1e6]),
    st.sampled_from([0.0, 1e-3, 1.0, 500.0]),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_r2_and_explained_variance(
    n: int, seed: int, far: float, bias: float, cuts: list[int]
) -> None:
    random = np.random.default_rng(seed)
    y = random.normal(far, 1.0, n).astype(np.float32)
    p = y + bias + random.normal(size=n)
    assume(np.ptp(y) > 0)
    results = merged(Measure("regression").of, (y, p), cuts, seed).results()
    for name, wanted in zip(("r2", "explained_variance"), lost(y, p), strict=True):
        # The one rounding that is left is that of the metric itself, which may be 1 less a little.
        assert 1 - results[name] == pytest.approx(wanted, rel=EXACT, abs=1e-15), name


def clustered(seed: int, far: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, 30)
    labels[:3] = [0, 1, 2]
    return random.normal(far, 1.0, (30, 3)).astype(np.float32), labels


def distance(one: list[Fraction], two: list[Fraction]) -> Fraction:
    return root(sum(((a - b) ** 2 for a, b in zip(one, two, strict=True)), Fraction()))


def separated(x: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> tuple[float, ...]:
    """Return silhouette, Calinski-Harabasz and Davies-Bouldin."""
    rows = [fractions(row) for row in x]
    groups = [[row for row, one in zip(rows, labels, strict=True) if one == k] for k in range(3)]
    centres = [[mean(list(column)) for column in zip(*group, strict=True)] for group in groups]
    within = sum((spread(list(c)) for g in groups for c in zip(*g, strict=True)), Fraction())
    total = sum((spread(list(column)) for column in zip(*rows, strict=True)), Fraction())
    ratio = (total - within) * (len(rows) - 3) / (within * 2)
    off = [mean([distance(row, c) for row in g]) for g, c in zip(groups, centres, strict=True)]
    worst = [
        max((off[i] + off[j]) / distance(centres[i], centres[j]) for j in range(3) if j != i)
        for i in range(3)
    ]
    shares = []
    for row, label in zip(rows, labels, strict=True):
        sums = [sum((distance(row, other) for other in group), Fraction()) for group in groups]
        own = len(groups[label])
        near = min(sums[k] / len(groups[k]) for k in range(3) if k != label)
        inner = sums[label] / max(own - 1, 1)
        shares.append((near - inner) / max(near, inner) if own > 1 else Fraction())
    return float(mean(shares)), float(ratio), float(mean(worst))


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 10.0, 1e3, -1e5]))
def test_clusters_apart(seed: int, far: float) -> None:
    x, labels = clustered(seed, far)
    found = [of(x, labels) for of in (silhouette, calinski_harabasz, davies_bouldin)]
    assert found == pytest.approx(separated(x, labels), rel=EXACT, abs=EXACT)


def test_scikit_learn_is_off_where_clusters_are_far_from_0() -> None:
    x, labels = clustered(1, 1e5)
    wanted = separated(x, labels)[1]
    assert calinski_harabasz(x, labels) == pytest.approx(wanted, rel=EXACT)
    theirs = reference.calinski_harabasz_score(x.astype(np.float64), labels)
    assert abs(theirs / wanted - 1) > 1e-11
