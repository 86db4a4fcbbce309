"""The score histogram: merging is a set operation, AUC is scikit-learn's, the bound holds."""

from __future__ import annotations

import pickle

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import roc_auc_score

from engine.errors import MillraceError
from engine.metrics import ScoreHistogram

Data = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
SCORES = st.one_of(
    st.floats(width=32, allow_nan=False),
    st.sampled_from([0.0, -0.0, 0.5, 0.25, 0.5000001]),
    st.floats(0, 1, width=32),
)


@st.composite
def labelled(draw: st.DrawFn, size: int = 60) -> Data:
    n = draw(st.integers(0, size))
    y = draw(hnp.arrays(np.float32, n, elements=st.sampled_from([0.0, 1.0])))
    return y, draw(hnp.arrays(np.float32, n, elements=SCORES))


def same(left: ScoreHistogram, right: ScoreHistogram) -> bool:
    """Equal to the last bit."""
    arrays = ("keys", "positives", "negatives")
    return left.shift == right.shift and all(
        getattr(left, name).tobytes() == getattr(right, name).tobytes()
        and getattr(left, name).dtype == getattr(right, name).dtype
        for name in arrays
    )


@settings(deadline=None)
@given(
    labelled(),
    st.integers(1, 30),
    st.lists(st.integers(0, 60), max_size=3),
    st.permutations(range(4)),
)
def test_any_split_in_any_order_is_the_whole(
    data: Data, limit: int, cuts: list[int], order: list[int]
) -> None:
    y, scores = data
    pieces = np.split(np.arange(len(y)), sorted(cuts))
    parts = [ScoreHistogram.of(y[i], scores[i], limit) for i in pieces]
    merged = ScoreHistogram(limit=limit)
    for place in order:
        merged = merged.merge(parts[place]) if place < len(parts) else merged
    assert same(merged, ScoreHistogram.of(y, scores, limit))
    assert len(merged.keys) <= limit


@settings(deadline=None)
@given(labelled(), labelled(), labelled(), st.lists(st.integers(1, 20), min_size=3, max_size=3))
def test_merge_is_associative_also_over_unequal_limits(
    a: Data, b: Data, c: Data, limits: list[int]
) -> None:
    x, y, z = (
        ScoreHistogram.of(*data, limit) for data, limit in zip((a, b, c), limits, strict=True)
    )
    assert same(x.merge(y).merge(z), x.merge(y.merge(z)))
    assert same(x.merge(y), y.merge(x))


@settings(deadline=None)
@given(labelled(), st.integers(1, 40))
def test_auc_is_that_of_scikit_learn_within_the_bound(data: Data, limit: int) -> None:
    y, scores = data
    assume(0 < y.sum() < len(y))
    assume(np.isfinite(scores).all())  # scikit-learn refuses infinite scores
    histogram = ScoreHistogram.of(y, scores, limit)
    true = roc_auc_score(y, scores)
    assert (histogram.auc_error() == 0.0) or histogram.shift > 0
    assert abs(histogram.auc() - true) <= histogram.auc_error() + 1e-12
    false_rate, true_rate = histogram.roc(10_000)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(histogram.auc(), abs=1e-12)


def test_large_sample_exact_and_coarse() -> None:
    random = np.random.default_rng(7)
    scores = random.random(50_000, np.float32)
    y = random.random(50_000) < scores
    true = roc_auc_score(y, scores)
    exact, coarse = ScoreHistogram.of(y, scores), ScoreHistogram.of(y, scores, 256)
    assert exact.shift == 0 and abs(exact.auc() - true) < 1e-12
    assert coarse.shift > 0 and len(coarse.keys) <= 256
    assert 0 < abs(coarse.auc() - true) <= coarse.auc_error() < 0.01
    assert same(pickle.loads(pickle.dumps(coarse)), coarse)


def test_counts_beyond_64_bits_do_not_overflow() -> None:
    many = np.array([3 * 10**9, 6 * 10**9], np.int64)
    histogram = ScoreHistogram(np.array([1, 2], np.uint32), many, many[::-1].copy())
    # negatives below: key 1 has 6e9, key 2 has 3e9
    assert histogram.auc() == (3 * 3 + 6 * (6 + 1.5)) / 81
    tied = ScoreHistogram(np.array([1], np.uint32), many[1:], many[1:], shift=3)
    assert (tied.auc(), tied.auc_error()) == (0.5, 0.5)


def test_roc_is_thinned_but_ends_are_kept() -> None:
    random = np.random.default_rng(3)
    y, scores = random.random(20_000) < 0.01, random.random(20_000)
    false_rate, true_rate = ScoreHistogram.of(y, scores).roc(100)
    assert len(true_rate) <= 101
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert (np.diff(false_rate) >= 0).all() and (np.diff(true_rate) >= 0).all()


@pytest.mark.parametrize("y", [[], [1, 1], [0]])
def test_without_two_classes_there_is_no_auc(y: list[int]) -> None:
    histogram = ScoreHistogram.of(np.array(y), np.zeros(len(y), np.float32))
    assert np.isnan(histogram.auc())
    assert histogram.auc_error() == 0.0
    assert not len(histogram.roc()[0])


@pytest.mark.parametrize(
    ("y", "scores", "says"),
    [
        ([0, 1, 1], [np.nan, 0.1, np.nan], "2 of 3 scores are NaN"),
        ([0, np.nan, 1], [0.0, 0.1, 0.2], "1 of 3 labels are NaN"),
        ([0, 2, -1], [0.0, 0.1, 0.2], "2 of 3 labels are neither"),
        ([0, 0.5], [0.0, 0.1], "1 of 2 labels are neither"),
        ([0, 1], [0.0], "shape"),
    ],
)
def test_bad_input_is_refused_with_the_count(
    y: list[float], scores: list[float], says: str
) -> None:
    with pytest.raises(MillraceError, match=says):
        ScoreHistogram.of(np.array(y), np.array(scores))
