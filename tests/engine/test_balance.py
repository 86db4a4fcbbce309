"""Training rows left out by class, and probabilities put right again."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.balance import Balance, even
from engine.calibration import Prior
from engine.split import LEFT_OUT, TEST, TRAIN, VALID

ROWS = 60_000
Y = (np.random.default_rng(1).random(ROWS) < 0.1).astype(np.float32)
PARTS = np.random.default_rng(2).choice([TRAIN, TRAIN, VALID, TEST], ROWS).astype(np.uint8)
NUMBERS = pl.Series(np.arange(ROWS))


def test_only_training_rows_of_frequent_classes_are_left_out() -> None:
    parts = Balance(kept=(0.2, 1.0)).thinned(PARTS, Y, NUMBERS)
    changed = parts != PARTS
    assert set(PARTS[changed]) == {TRAIN} and set(parts[changed]) == {LEFT_OUT}
    assert not Y[changed].any()
    frequent = (PARTS == TRAIN) & (Y == 0)
    assert (parts[frequent] == TRAIN).mean() == pytest.approx(0.2, abs=0.01)


@given(cut=st.integers(0, ROWS), seed=st.integers(0, 2**31))
def test_the_decision_is_that_of_the_row(cut: int, seed: int) -> None:
    balance = Balance(kept=(0.3, 0.9), seed=seed)
    whole = balance.thinned(PARTS, Y, NUMBERS)
    ends = [balance.thinned(PARTS[s], Y[s], NUMBERS[s]) for s in (slice(cut), slice(cut, None))]
    assert (np.concatenate(ends) == whole).all()


def test_labels_that_are_no_class_stay() -> None:
    odd = np.array([np.nan, 7, -1, 0.5, 0], np.float32)
    parts = Balance(kept=(1e-9, 1.0)).thinned(np.zeros(5, np.uint8), odd, NUMBERS[:5])
    assert parts.tolist() == [TRAIN] * 4 + [LEFT_OUT]


def test_even_shares() -> None:
    assert even([50, 10, 0, 20]) == (0.2, 1.0, 1.0, 0.5)


def test_shares_that_are_not_known_are_no_shares() -> None:
    with pytest.raises(ValueError, match="resolve"):
        Balance().thinned(PARTS, Y, NUMBERS)


@pytest.mark.parametrize("many", [False, True])
def test_the_prior_is_that_of_all_rows_again(many: bool) -> None:
    """Of equal rows a model says the shares that it saw: they become those that there are."""
    shares, kept = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.5, 1.0])
    if not many:
        shares, kept = np.array([0.9, 0.1]), np.array([0.1, 1.0])
    seen = shares * kept / (shares * kept).sum()
    said = seen[None, :] if many else seen[1:]
    wanted = shares[None, :] if many else shares[1:]
    np.testing.assert_allclose(Prior(tuple(kept)).apply(said), wanted, rtol=1e-12)
