"""Clusterings, reductions and odd rows against scikit-learn; samples; merging; the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA

from engine.errors import MillraceError
from engine.metrics import Measure
from engine.metrics.sample import SAMPLE, SEED, RowSample
from engine.metrics.separation import calinski_harabasz, davies_bouldin, silhouette
from engine.split import uniform
from tests.engine.metrics.states import bits, merged

Array = npt.NDArray[Any]
CUTS = st.lists(st.integers(0, 300), max_size=5)


def blobs(n: int, spread: float = 1.5) -> tuple[Array, Array, Array]:
    """Features, clusters with distances (-1 for some rows), row numbers."""
    x = make_blobs(n, 3, centers=4, cluster_std=spread, random_state=3)[0].astype(np.float32)
    model = KMeans(4, random_state=0).fit(x)
    p = np.stack([model.labels_, model.transform(x).min(axis=1)], axis=1).astype(np.float64)
    p[::50] = [-1, np.nan]
    return x, p, np.arange(n, dtype=np.uint64)


X, P, ROWS = blobs(300)


def clustered(x: Array, p: Array, rows: Array) -> Any:
    return Measure("clustering").of(None, p, x=x, rows=rows)


@settings(deadline=None, max_examples=40)
@given(CUTS, st.integers(0, 99))
def test_parts_of_a_clustering_are_the_whole(cuts: list[int], order: int) -> None:
    assert bits(merged(clustered, (X, P, ROWS), cuts, order)) == bits(clustered(X, P, ROWS))


def test_a_clustering_is_that_of_scikit_learn() -> None:
    results = merged(clustered, (X, P, ROWS), [10, 200], 1).results()
    given = P[:, 0] >= 0
    x, labels = X[given].astype(np.float64), P[given, 0]
    assert results["rows"] == 300 and results["clusters"] == 4 and results["sampled"] == 294
    assert results["unassigned"] == 6 / 300
    assert results["largest_cluster"] == np.bincount(labels.astype(int)).max() / 300
    assert results["inertia"] == pytest.approx((P[given, 1] ** 2).sum(), rel=1e-12)
    for name, of in (
        ("silhouette", reference.silhouette_score),
        ("calinski_harabasz", reference.calinski_harabasz_score),
        ("davies_bouldin", reference.davies_bouldin_score),
    ):
        # scikit-learn takes distances by the dot product, which rounds more.
        assert results[name] == pytest.approx(of(x, labels), rel=1e-9), name
    assert (
        clustered(X, P, ROWS).curves()["cluster_sizes"] == np.bincount(labels.astype(int)).tolist()
    )


def test_inertia_is_that_of_the_model() -> None:
    x = make_blobs(500, 3, centers=4, random_state=3)[0].astype(np.float64)
    model = KMeans(4, random_state=0).fit(x)
    p = np.stack([model.labels_, model.transform(x).min(axis=1)], axis=1)
    results = Measure("clustering").of(None, p).results()
    assert results["inertia"] == pytest.approx(model.inertia_, rel=1e-12)
    assert results["sampled"] == 0 and np.isnan(results["silhouette"])


def test_the_sample_are_the_rows_with_the_smallest_draws() -> None:
    n = 3 * SAMPLE
    rows = np.random.default_rng(0).permutation(n).astype(np.uint64)
    x, labels = rows[:, None].astype(np.float32), (rows % 7).astype(np.int64)
    cuts = [1, SAMPLE - 1, SAMPLE + 5, 2 * SAMPLE]
    sample = merged(RowSample.of, (x, labels, rows), cuts, 4)
    assert bits(sample) == bits(RowSample.of(x, labels, rows))
    smallest = np.argsort(uniform(np.arange(n, dtype=np.uint64), SEED))[:SAMPLE]
    assert sample.rows.tolist() == smallest.tolist()
    assert (sample.x[:, 0] == sample.rows).all() and (sample.labels == sample.rows % 7).all()


def test_silhouettes_of_a_sample_are_near_those_of_all() -> None:
    x, p, rows = blobs(6000)
    results = clustered(x, p, rows).results()
    given = p[:, 0] >= 0
    assert results["sampled"] == SAMPLE
    expected = reference.silhouette_score(x[given], p[given, 0])
    assert results["silhouette"] == pytest.approx(expected, abs=0.02)


def test_separation_of_odd_clusters() -> None:
    x = np.array([[0.0], [0.0], [5.0]], np.float32)
    lonely = np.array([0, 0, 1])
    assert silhouette(x, lonely) == pytest.approx(reference.silhouette_score(x, lonely))
    assert calinski_harabasz(x, lonely) == reference.calinski_harabasz_score(x, lonely) == 1.0
    assert davies_bouldin(x, lonely) == reference.davies_bouldin_score(x, lonely) == 0.0
    for labels in (np.zeros(3, np.int64), np.arange(3)):  # scikit-learn refuses both
        assert np.isnan(silhouette(x, labels))
        assert np.isnan(calinski_harabasz(x, labels)) and np.isnan(davies_bouldin(x, labels))


def reduced(x: Array, p: Array) -> Any:
    return Measure("reduction").of(None, p, x=x)


@settings(deadline=None, max_examples=40)
@given(CUTS, st.integers(0, 99))
def test_parts_of_a_reduction_are_the_whole(cuts: list[int], order: int) -> None:
    p = PCA(2).fit_transform(X)
    assert bits(merged(reduced, (X, p), cuts, order)) == bits(reduced(X, p))


def test_a_reduction_explains_what_scikit_learn_says() -> None:
    wide = X.astype(np.float64) + 1000
    x = wide.astype(np.float32)
    model = PCA(2).fit(x.astype(np.float64))
    scores = merged(reduced, (x, model.transform(x.astype(np.float64))), [7, 150], 2)
    results = scores.results()
    assert results["components"] == 2
    total = model.explained_variance_ratio_.sum()
    assert results["explained_variance_ratio"] == pytest.approx(total, rel=1e-9)
    shares = scores.curves()["explained_variance_ratio"]
    assert shares == pytest.approx(model.explained_variance_ratio_.tolist(), rel=1e-9)
    alone = Measure("reduction").of(None, np.ones((3, 2)))
    assert np.isnan(alone.results()["explained_variance_ratio"]) and alone.curves() == {}


def test_odd_rows_with_and_without_labels() -> None:
    random = np.random.default_rng(5)
    y = random.random(400) < 0.1
    p = random.normal(size=400) + 2 * y - 1
    measure = Measure("anomaly")
    labelled = merged(measure.of, (y, p), [3, 3, 170], 1)
    assert bits(labelled) == bits(measure.of(y, p))
    results = labelled.results()
    assert results["odd"] == (p > 0).mean() and results["positives"] == y.sum()
    ranked = p.astype(np.float32)
    assert results["auc"] == pytest.approx(reference.roc_auc_score(y, ranked), rel=1e-12)
    expected = reference.average_precision_score(y, ranked)
    assert results["average_precision"] == pytest.approx(expected, rel=1e-12)
    assert {"scores", "roc", "ranked"} == set(labelled.curves())
    alone = measure.of(None, p)
    assert alone.results()["odd"] == results["odd"] and np.isnan(alone.results()["auc"])
    starts, width, counts = alone.curves()["scores"]
    assert sum(counts) == 400
    for start, count in zip(starts, counts, strict=True):
        assert count == ((ranked >= start) & (ranked < start + width)).sum()


@pytest.mark.parametrize("task", ["clustering", "reduction", "anomaly"])
def test_without_rows_there_is_nothing_to_tell(task: str) -> None:
    measure = Measure(task)
    results = measure.empty().results()
    assert results.pop("rows") == 0 and measure.followed[0] in results
    assert all(np.isnan(value) or value == 0 for value in results.values())
    assert isinstance(measure.empty().intervals(), dict)
    p = {"clustering": P, "reduction": X.astype(np.float64), "anomaly": P[:, 0]}[task]
    whole = measure.of(None, p, x=X, rows=ROWS)
    assert bits(measure.empty().merge(whole)) == bits(whole.merge(measure.empty())) == bits(whole)


@pytest.mark.parametrize(
    ("task", "p", "says"),
    [
        ("clustering", np.zeros((2, 3)), "shape"),
        ("clustering", np.array([[0.5, 0], [np.nan, 0], [-2, 0]]), "3 of 3 clusters"),
        ("reduction", np.array([[0.5, np.nan]]), "1 of 1 rows hold missing"),
        ("reduction", np.zeros(3), "shape"),
        ("anomaly", np.array([np.nan, 1]), "1 of 2 scores are NaN"),
        ("anomaly", np.zeros((2, 2)), "shape"),
    ],
)
def test_bad_predictions_are_refused(task: str, p: Array, says: str) -> None:
    with pytest.raises(MillraceError, match=says):
        Measure(task).of(None, p)


def test_a_task_with_labels_needs_them() -> None:
    with pytest.raises(MillraceError, match="no labels"):
        Measure("binary").of(None, np.zeros(1))
