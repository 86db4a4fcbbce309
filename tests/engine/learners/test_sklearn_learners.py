"""scikit-learn on real Dask workers: the same model on any number of them, after any death."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB

from engine.boosting.source import Rows, ShardPart
from engine.errors import Cancelled, ContractRefused, SpecError, TrainingFailed
from engine.learners import CATALOGUE, Assignment, Learnt, Lesson, learner
from engine.learners.streamed import saved as checkpoints
from engine.learners.streamed.order import spans
from engine.learners.streamed.span import SpanWork
from engine.learners.streamed.span import learn as learn_span
from engine.models.neighbours import Neighbours
from engine.models.sklearn import Sklearn
from engine.models.skops_files import unpacked
from engine.place.kept import Kept
from engine.plan import Partition, Slice
from tests.engine.learners.numbered_rows import Numbered, cut

TOTAL = 60_000
CUTS = [10_000, 20_000, 31_000, 50_000]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def quiet(rows: int, peaks: Mapping[str, int]) -> None: ...


def lesson(
    name: str, params: dict[str, Any] | None = None, source: Any = None, **more: Any
) -> Lesson:
    source = source or Numbered()
    task = getattr(source, "task", "clustering")
    estimator = CATALOGUE[f"sklearn.{name}"]
    task = task if task in estimator.tasks else estimator.tasks[0]
    classes = {"binary": 2, "multiclass": 3}.get(task, 0)
    beside = {key: more.pop(key) for key in ("parts", "checkpoint") if key in more}
    asked = Assignment(estimator, task, params or {}, classes, **more)
    return Lesson(asked, source, **{"parts": cut(TOTAL, CUTS), "threads": 2, **beside})


def learn(
    client: Client,
    given: Lesson,
    progress: Callable[[int, Mapping[str, int]], None] = quiet,
    cancel: Callable[[], bool] = lambda: False,
) -> Learnt:
    way = learner(given.assignment.estimator.way)
    return way.fit(client, given, progress=progress, cancel=cancel)


def sklearn_of(found: Learnt) -> Sklearn:
    assert isinstance(found.model, Sklearn)
    return found.model


def numbers(found: Learnt) -> bytes:
    """Return all that a linear model or a network has learned, as bytes."""
    estimator = sklearn_of(found).estimator
    layers = estimator.coefs_ if hasattr(estimator, "coefs_") else [estimator.coef_]
    return b"".join(np.asarray(layer).tobytes() for layer in layers)


@pytest.mark.parametrize(
    ("name", "params"),
    [("SGDClassifier", {"loss": "log_loss"}), ("MLPClassifier", {"epochs": 2})],
)
def test_a_run_that_ends_early_goes_on_to_the_same_model(
    name: str, params: dict[str, Any], client: Client, tmp_path: Path
) -> None:
    whole = learn(client, lesson(name, params))
    kept, heard = Kept.of(tmp_path / "checkpoint"), []
    given = lesson(name, params, checkpoint=kept)
    with pytest.raises(Cancelled, match="in epoch 2"):
        learn(client, given, lambda rows, _: heard.append(rows), lambda: bool(heard))
    left = checkpoints.read(kept, checkpoints.key(given))
    assert left.epoch == len(heard) == 1
    again: list[int] = []
    found = learn(client, given, lambda rows, _: again.append(rows))
    assert numbers(found) == numbers(whole)
    assert len(again) == found.told["epochs"] - 1
    assert found.history == whole.history and len(whole.history) == found.told["epochs"]


def test_a_worker_that_dies_in_an_epoch_changes_nothing(client: Client, tmp_path: Path) -> None:
    params = {"loss": "log_loss", "epochs": 2}
    deadly = Numbered(deadly=tmp_path / "dead", at=40_000)
    found = learn(client, lesson("SGDClassifier", params, deadly))
    assert (tmp_path / "dead").exists()
    assert numbers(found) == numbers(learn(client, lesson("SGDClassifier", params)))


def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_used(
    client: Client, tmp_path: Path
) -> None:
    kept = Kept.of(tmp_path / "checkpoint")
    given = lesson("SGDClassifier", {"epochs": 1}, checkpoint=kept)
    whole = learn(client, given)
    assert checkpoints.read(kept, checkpoints.key(given)).epoch == 1
    other = lesson("SGDClassifier", {"epochs": 1, "alpha": 0.1}, checkpoint=kept)
    assert checkpoints.read(kept, checkpoints.key(other)) == checkpoints.Saved()
    (tmp_path / "checkpoint").write_bytes((tmp_path / "checkpoint").read_bytes()[:-1])
    assert checkpoints.read(kept, checkpoints.key(given)) == checkpoints.Saved()
    assert numbers(learn(client, given)) == numbers(whole)


def test_the_model_does_not_depend_on_the_workers(client: Client) -> None:
    params = {"epochs": 2}
    given = lesson("SGDRegressor", params, Numbered("regression"))
    path, state = given.assignment.estimator.path, None
    for epoch in range(2):
        for span in spans(given.parts, epoch, 42, True, 8192):
            work = SpanWork(given.source, span, state, "", path, {}, "regression", 0, 42, True)
            state = learn_span(work, given.parts[0].partition)
    assert state is not None
    here = np.asarray(unpacked(state, path).coef_).tobytes()
    assert numbers(learn(client, given)) == here


def test_what_is_streamed_is_worth_what_is_learned_in_memory(client: Client) -> None:
    for task in ("binary", "multiclass"):
        source = Numbered(task, weighted=True)
        train, valid = (source.all(TOTAL, part) for part in ("train", "valid"))
        found = learn(client, lesson("SGDClassifier", {"loss": "log_loss"}, source))
        own = clone(sklearn_of(found).estimator).set_params(random_state=0)
        own.fit(train.x, train.y, sample_weight=train.weight)
        labels = range(2 if task == "binary" else 3)
        ours, theirs = (
            log_loss(valid.y, p, labels=labels)
            for p in (found.model.predict(valid.x), own.predict_proba(valid.x))
        )
        assert ours < theirs + 0.02
        assert found.history[-1]["log_loss"] == pytest.approx(ours, abs=1e-9)


def test_naive_bayes_counts_every_row_and_its_weight_once(client: Client) -> None:
    source = Numbered(weighted=True)
    train = source.all(TOTAL, "train")
    found = sklearn_of(learn(client, lesson("GaussianNB", source=source))).estimator
    own = GaussianNB().fit(train.x.astype(float), train.y, np.asarray(train.weight, float))
    assert np.allclose(found.class_count_, own.class_count_, rtol=1e-12)
    assert np.allclose(found.theta_, own.theta_, rtol=1e-9)
    assert np.allclose(found.var_, own.var_, rtol=1e-6)


def test_it_ends_when_no_epoch_is_better_and_keeps_the_best(client: Client) -> None:
    params = {"loss": "log_loss", "epochs": 30, "patience": 2, "learning_rate": "constant"}
    found = learn(client, lesson("SGDClassifier", {**params, "eta0": 1.0}))
    losses = [one["log_loss"] for one in found.history]
    best = 1 + losses.index(min(losses))
    assert found.told["best_epoch"] == best == len(losses) - 2 < 28
    valid = Numbered().all(TOTAL, "valid")
    assert log_loss(valid.y, found.model.predict(valid.x)) == pytest.approx(min(losses), abs=1e-9)


def test_what_cannot_be_learned_from_is_said_with_its_feature(client: Client) -> None:
    for name in ("SGDClassifier", "Ridge"):
        task = "regression" if name == "Ridge" else "binary"
        with pytest.raises(ContractRefused, match="feature 'b' has missing values") as caught:
            learn(client, lesson(name, source=Numbered(task, gone=40_001)))
        assert 'impute = ["b"]' in str(caught.value)
    with pytest.raises(ContractRefused, match="feature 'a' has values below 0"):
        learn(client, lesson("MultinomialNB"))
    with pytest.raises(ContractRefused, match="validation rows: feature 'b' has missing"):
        learn(client, lesson("SGDClassifier", source=Numbered(gone=42_000)))
    with pytest.raises(TrainingFailed, match="n_components=5 "):
        learn(client, lesson("IncrementalPCA", {"n_components": 5}))
    with pytest.raises(SpecError, match="takes no weights"):
        learn(client, lesson("PassiveAggressiveClassifier", weighted=True))
    # A forest takes missing values.
    learn(client, lesson("RandomForestClassifier", {"n_estimators": 2}, Numbered(gone=7)))


def test_codes_and_margins_are_told_of(client: Client) -> None:
    source = Numbered(categorical=(2,))
    found = learn(client, lesson("Perceptron", {"epochs": 1}, source))
    codes, margins = found.notes
    assert "codes of categories as plain numbers, of c" in codes
    assert "no probabilities" in margins


def test_a_sample_of_all_rows_is_all_rows(client: Client) -> None:
    train = Numbered("regression").all(TOTAL, "train")
    found = learn(client, lesson("Ridge", source=Numbered("regression")))
    own = Ridge(random_state=42).fit(train.x.astype(float), train.y.astype(float))
    assert sklearn_of(found).estimator.coef_.tobytes() == own.coef_.tobytes()
    assert found.notes == ()


def test_a_sample_is_told_of_and_is_the_same_for_any_partitions(client: Client) -> None:
    given = lesson("LogisticRegression", source=Numbered(weighted=True), sample_rows=5_000)
    found = learn(client, given)
    assert found.notes == ("trained on a sample of 5,000 of 50,000 rows",)
    assert (found.told["rows"], found.told["sample_rows"]) == (50_000, 5_000)
    other = learn(client, replace(given, parts=cut(TOTAL, [123, 44_000])))
    assert numbers(other) == numbers(found)
    assert numbers(learn(client, replace(given, parts=cut(TOTAL, [])))) == numbers(found)
    train = Numbered(weighted=True).all(TOTAL, "train")
    whole = LogisticRegression().fit(train.x, train.y, train.weight)
    valid = Numbered().all(TOTAL, "valid")
    ours, theirs = (
        log_loss(valid.y, p) for p in (found.model.predict(valid.x), whole.predict_proba(valid.x))
    )
    assert theirs < ours < theirs + 0.02  # the same penalty weighs more on fewer rows


def test_a_sample_of_one_class_is_refused(client: Client) -> None:
    with pytest.raises(TrainingFailed, match="the same class"):
        learn(client, lesson("SVC", sample_rows=1))


class Blobs:
    """Three blobs far from each other, in the order of their rows."""

    features = ("x", "y")
    categorical = ()
    vectors: frozenset[str] = frozenset()
    x, blob = make_blobs(3_000, centers=[(0, 0), (20, 0), (0, 20)], random_state=3)

    def read(self, partition: Partition, part: str) -> Rows:
        first = partition.slices[0].first
        chosen = slice(first, first + (partition.rows if part == "train" else 0))
        x = self.x[chosen].astype(np.float32)
        return Rows(x, np.zeros(len(x), np.float32))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("DBSCAN", {"eps": 1.5}),
        ("HDBSCAN", {"min_cluster_size": 50, "min_samples": 5}),
        ("AgglomerativeClustering", {"n_clusters": 3}),
        ("GaussianMixture", {"n_components": 3}),
        ("KMeans", {"n_clusters": 3}),
        ("MiniBatchKMeans", {"n_clusters": 3, "init": "k-means++"}),
    ],
)
def test_blobs_are_found_in_a_sample_and_all_rows_belong_to_them(
    name: str, params: dict[str, Any], client: Client
) -> None:
    parts = tuple(
        ShardPart(Partition(i, (Slice(0, i * 1000, 1000, i * 1000),), 1000, 0, 0, 0), 1000, 0)
        for i in range(3)
    )
    found = learn(client, lesson(name, params, Blobs(), parts=parts, sample_rows=900))
    said = found.model.predict(Blobs.x.astype(np.float32))
    clusters, distances = said[:, 0], said[:, 1]
    for blob in range(3):
        own = clusters[Blobs.blob == blob]
        assert len(set(own[own >= 0])) == 1
        assert (own >= 0).mean() > 0.97
    assert len(set(clusters) - {-1}) == 3
    assert (np.isnan(distances) == (clusters == -1)).all()
    if name == "DBSCAN":
        assert np.nanmax(distances) <= 1.5
        far = found.model.predict(np.array([[50, 50]], np.float32))
        assert far[0, 0] == -1
        assert isinstance(found.model, Neighbours) and found.told["clusters"] == 3


def test_where_no_place_is_dense_it_is_said(client: Client) -> None:
    given = lesson("DBSCAN", {"eps": 1e-9}, Blobs(), parts=cut(3_000, []))
    parts = tuple(replace(part, train=part.partition.rows, valid=0) for part in given.parts)
    with pytest.raises(TrainingFailed, match="no dense place"):
        learn(client, replace(given, parts=parts))
