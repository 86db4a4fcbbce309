"""Sums over features: any cut of the rows, and through a bundle's files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.models.additive import Additive, Line, Link, Steps
from engine.models.stored import kept, restored

PARTS = (
    Line(0, 1.5, 2.0, (1.0, -1.0, 0.25), (0.5, 0.0, -0.5)),
    Steps(
        1, True, (2.0, 7.0), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.1, 0.1, 0.1), (9.0, 0.0, 0.0))
    ),
    Steps(2, False, (0.0, 1.0), ((0.0,) * 3, (1.0,) * 3, (2.0, 3.0, 4.0), (-1.0,) * 3)),
)
MANY = Additive(3, (0.1, 0.2, 0.3), PARTS, "softmax")


def test_what_each_part_adds() -> None:
    x = np.array([[3.5, 7, 0], [np.nan, 3, -1], [np.inf, np.nan, 1], [1.5, 2, np.nan]], np.float32)
    line, codes, bins = PARTS
    assert line.of(x[:, 0]).tolist() == [
        [1.0, -1.0, 0.25],
        [0.5, 0.0, -0.5],
        [0.5, 0.0, -0.5],
        [0.0, 0.0, 0.0],
    ]
    assert codes.places(x[:, 1]).tolist() == [1, 2, 3, 0]
    assert bins.places(x[:, 2]).tolist() == [1, 0, 2, 3]
    sums = np.array(MANY.start) + line.of(x[:, 0]) + codes.of(x[:, 1]) + bins.of(x[:, 2])
    grown = np.exp(sums)
    np.testing.assert_allclose(MANY.predict(x), grown / grown.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("link", ["identity", "logistic"])
def test_one_output_is_a_vector(link: Link) -> None:
    model = Additive(1, (0.5,), (Line(0, 0.0, 1.0, (2.0,), (0.0,)),), link, (-3.0, 3.0))
    said = model.predict(np.array([[0], [5], [-5]], np.float32))
    sums = np.array([0.5, 10.5, -9.5])
    wanted = sums.clip(-3, 3) if link == "identity" else 1 / (1 + np.exp(-sums))
    np.testing.assert_allclose(said, wanted)


@given(seed=st.integers(0, 999), cut=st.integers(0, 300))
def test_a_row_does_not_depend_on_those_beside_it(seed: int, cut: int) -> None:
    x = np.random.default_rng(seed).normal(0, 3, (300, 3)).astype(np.float32)
    pieces = [MANY.predict(piece) for piece in (x[:cut], x[cut:])]
    assert np.concatenate(pieces).tobytes() == MANY.predict(x).tobytes()


def test_it_goes_through_the_files_of_a_bundle() -> None:
    back = restored(kept(MANY))
    assert back == MANY
    assert Additive.of_files(Additive(2, (1.0,), bounds=(0.0, 2.0)).files()).bounds == (0.0, 2.0)


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(ModelError, match="3 features, and the rows 2"):
        MANY.predict(np.zeros((1, 2), np.float32))
