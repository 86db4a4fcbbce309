"""Clusters that are known by their samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.models import kept, restored
from engine.models.neighbours import Neighbours

SAMPLES = np.array([[0, 0], [0, 1], [5, 5], [9, 9]], np.float32)
CLUSTERS = np.array([0, 0, 1, -1])


def test_a_row_belongs_to_the_cluster_of_its_nearest_sample() -> None:
    model = restored(kept(Neighbours.of(SAMPLES, CLUSTERS)))
    rows = np.array([[0, 2], [6, 5], [40, 40]], np.float32)
    assert np.array_equal(model.predict(rows), [[0, 1], [1, 1], [-1, math.nan]], equal_nan=True)
    assert model.width == 2


def test_beyond_the_radius_a_row_belongs_to_none() -> None:
    model = restored(kept(Neighbours.of(SAMPLES, CLUSTERS, 1.0)))
    said = model.predict(np.array([[0, 2], [0, 2.01], [9, 9]], np.float32))
    assert np.array_equal(said, [[0, 1], [-1, math.nan], [-1, math.nan]], equal_nan=True)


def test_missing_values_and_other_widths_are_refused() -> None:
    model = Neighbours.of(SAMPLES, CLUSTERS)
    with pytest.raises(ModelError, match="feature 1 "):
        model.predict(np.array([[0, math.nan]], np.float32))
    with pytest.raises(ModelError, match="2 features, and the rows 3"):
        model.predict(np.zeros((1, 3), np.float32))
    assert model.predict(np.zeros((0, 2), np.float32)).shape == (0, 2)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4))
def test_it_is_the_nearest_of_all(seed: int, samples: int, width: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(samples, width)).astype(np.float32)
    rows = draw.normal(size=(20, width)).astype(np.float32)
    clusters = draw.integers(0, 3, samples)
    said = Neighbours.of(x, clusters).predict(rows)
    away = np.linalg.norm(rows[:, None].astype(float) - x[None].astype(float), axis=2)
    assert np.allclose(said[:, 1], away.min(axis=1))
    assert (said[:, 0] == clusters[away.argmin(axis=1)]).all()
    apart = [Neighbours.of(x, clusters).predict(row[None]) for row in rows]
    assert np.concatenate(apart).tobytes() == said.tobytes()
