"""dask-ml out of core on real workers: scikit-learn's numbers, the same for any partitioning."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from passes_rows import FileRows, file_rows, parts

from cluster.session import Session, connect
from cluster.spec import LocalCluster
from engine.boosting.gang import scratch
from engine.errors import Cancelled, ContractRefused, SpecError
from engine.learners import CATALOGUE, Assignment, Learnt, Lesson, learner
from engine.learners.passes import clusters, computing, matrices
from engine.memory import Shape
from engine.models import kept
from engine.models.centres import Centres
from engine.models.linear import Linear
from engine.models.naive_bayes import GaussianBayes
from engine.models.projection import Projection

pytest.importorskip("dask_ml")

ROWS, WIDTH = 20_000, 6
DRAW = np.random.default_rng(3)
X = (DRAW.normal(size=(ROWS, WIDTH)) * np.arange(1, WIDTH + 1) + 3).astype(np.float32)
Z = X @ (DRAW.normal(size=WIDTH) * 0.2)
NUMBER = (Z + DRAW.normal(size=ROWS)).astype(np.float32)
CLASS = (Z + DRAW.logistic(size=ROWS) > 0.5).astype(np.float32)
COUNT = DRAW.poisson(np.exp(Z / 3)).astype(np.float32)
WIDE = X.astype(float)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Two worker processes with a disk of their own: others' folders do not lie there."""
    scratch_space = {"temporary-directory": str(tmp_path_factory.mktemp("dask"))}
    with (
        dask.config.set(scratch_space),
        connect(LocalCluster(workers=2, memory="1 GiB")) as opened,
    ):
        yield opened


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 7,001 rows, which no border of partitions is a multiple of."""
    monkeypatch.setattr(matrices, "BLOCK_BYTES", 8 * WIDTH * 7001)


def learnt(
    session: Session, source: FileRows, name: str, task: str, each: int = 1700, **params: Any
) -> Learnt:
    assignment = Assignment(CATALOGUE[f"dask_ml.{name}"], task, params, 2)  # type: ignore[arg-type]
    lesson = Lesson(assignment, source, parts(ROWS, each), 2)
    return learner("passes").fit(
        session.client, lesson, progress=lambda rows, peaks: None, cancel=lambda: False
    )


def left(session: Session) -> list[str]:
    """Return the folders of matrices on the workers' disks."""
    found = session.client.run(_left)
    return sorted({name for names in found.values() for name in names})


def _lost(name: str, dask_worker: Any) -> None:
    shutil.rmtree(scratch.root(dask_worker) / name, ignore_errors=True)


def _left(dask_worker: Any) -> list[str]:
    root = scratch.root(dask_worker)
    return [path.name for path in root.glob("rows-*")] if root.exists() else []


@pytest.mark.parametrize(
    ("name", "y", "params", "reference"),
    [
        ("LinearRegression", NUMBER, {}, ("Ridge", {"alpha": 0.5})),
        ("LinearRegression", NUMBER + 100, {"C": 1e-5}, ("Ridge", {"alpha": 5e4})),
        (
            "LinearRegression",
            NUMBER,
            {"penalty": "none", "solver": "newton", "fit_intercept": False},
            ("LinearRegression", {"fit_intercept": False}),
        ),
        ("LogisticRegression", CLASS, {"C": 1e-3}, ("LogisticRegression", {"C": 1e-3})),
        ("PoissonRegression", COUNT, {"C": 1e-3}, ("PoissonRegressor", {"alpha": 1000 / ROWS})),
    ],
    ids=["ridge", "strong", "plain", "logistic", "poisson"],
)
def test_linear_models_are_those_of_scikit_learn(
    session: Session,
    tmp_path: Path,
    name: str,
    y: Any,
    params: dict[str, Any],
    reference: tuple[str, dict[str, Any]],
) -> None:
    import sklearn.linear_model

    source = file_rows(tmp_path, X, y)
    task = "binary" if name == "LogisticRegression" else "regression"
    found = learnt(session, source, name, task, **params)
    exactly = {} if "LinearR" in reference[0] else {"tol": 1e-9}
    own = getattr(sklearn.linear_model, reference[0])(**reference[1], **exactly).fit(WIDE, y)
    model = found.model
    assert isinstance(model, Linear)
    # SciPy ends where a step gains less than 2e-9 of the loss (factr of fmin_l_bfgs_b).
    assert model.coefficients == pytest.approx(np.ravel(own.coef_), rel=1e-3, abs=1e-5)
    assert model.intercept == pytest.approx(float(np.ravel(own.intercept_)[0]), abs=1e-3)
    assert not found.notes
    assert source.reads == len(parts(ROWS, 1700))  # once, however many passes there were
    assert found.told["passes"] > 3
    assert not left(session)


def test_a_solver_that_is_stopped_early_is_told(session: Session, tmp_path: Path) -> None:
    source = file_rows(tmp_path, X, CLASS)
    found = learnt(session, source, "LogisticRegression", "binary", max_iter=2)
    assert "may not have converged" in found.notes[0]
    losses = [one["loss"] for one in found.history]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("name", "task", "y", "params"),
    [
        ("LogisticRegression", "binary", CLASS, {"max_iter": 2}),
        ("KMeans", "clustering", CLASS, {"n_clusters": 4, "max_iter": 2, "init_max_iter": 2}),
        ("PCA", "reduction", CLASS, {"n_components": 3}),
        ("TruncatedSVD", "reduction", CLASS, {}),
        ("GaussianNB", "binary", CLASS, {}),
        ("Incremental", "regression", NUMBER, {"eta0": 1e-4}),
    ],
)
def test_the_same_bits_over_any_partitions(
    session: Session, tmp_path: Path, name: str, task: str, y: Any, params: dict[str, Any]
) -> None:
    source = file_rows(tmp_path, X, y)
    models = [learnt(session, source, name, task, each, **params).model for each in (1700, 9000)]
    assert kept(models[0]) == kept(models[1])


def test_naive_bayes_is_that_of_scikit_learn(session: Session, tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    found = learnt(session, file_rows(tmp_path, X, CLASS), "GaussianNB", "binary").model
    own = GaussianNB().fit(WIDE, CLASS)
    assert isinstance(found, GaussianBayes)
    assert found.theta == pytest.approx(own.theta_, rel=1e-12)
    assert found.var == pytest.approx(own.var_, rel=1e-11)
    assert found.predict(X) == pytest.approx(own.predict_proba(WIDE)[:, 1], rel=1e-9, abs=1e-12)


def test_k_means_finds_what_scikit_learn_finds(session: Session, tmp_path: Path) -> None:
    from sklearn.cluster import KMeans

    rows = X + 40 * np.eye(WIDTH, dtype=np.float32)[DRAW.integers(0, 4, ROWS)]
    found = learnt(session, file_rows(tmp_path, rows, CLASS), "KMeans", "clustering", n_clusters=4)
    own = KMeans(4, n_init=3, random_state=0).fit(rows.astype(float))
    assert isinstance(found.model, Centres)
    assert found.told["inertia"] == pytest.approx(own.inertia_, rel=1e-6)
    centres, others = found.model.centres, own.cluster_centers_
    order, its = centres.argmax(axis=1).argsort(), others.argmax(axis=1).argsort()
    assert centres[order] == pytest.approx(others[its], rel=1e-6)
    assert sum(found.told["rows_by_cluster"]) == ROWS
    assert found.history[0]["inertia"] >= found.history[-1]["inertia"]
    assert not found.notes


def test_components_are_those_of_scikit_learn(session: Session, tmp_path: Path) -> None:
    from sklearn.decomposition import PCA, TruncatedSVD

    source = file_rows(tmp_path, X, CLASS)
    for name, own in (
        ("PCA", PCA(3, svd_solver="full")),
        ("TruncatedSVD", TruncatedSVD(3, algorithm="arpack")),
    ):
        found = learnt(session, source, name, "reduction", n_components=3)
        own.fit(WIDE)
        assert isinstance(found.model, Projection)
        signs = np.sign((found.model.components * own.components_).sum(axis=1))
        assert found.model.components * signs[:, None] == pytest.approx(own.components_, abs=1e-8)
        assert found.told["explained_variance_ratio"] == pytest.approx(
            own.explained_variance_ratio_, rel=1e-9
        )


def test_there_are_not_more_components_than_features(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="at most 6 components"):
        learnt(session, file_rows(tmp_path, X, CLASS), "PCA", "reduction", n_components=7)
    assert not left(session)


@pytest.mark.parametrize(
    ("value", "says"), [(np.nan, "have missing values"), (np.inf, "have infinite values")]
)
def test_what_is_no_number_is_refused_with_the_name(
    session: Session, tmp_path: Path, value: float, says: str
) -> None:
    rows = X.copy()
    rows[12_345, 4] = value
    with pytest.raises(ContractRefused, match=says) as error:
        learnt(session, file_rows(tmp_path, rows, CLASS), "GaussianNB", "binary")
    assert error.value.where == "f4"
    assert not left(session)


def test_labels_that_cannot_be_are_refused(session: Session, tmp_path: Path) -> None:
    source = file_rows(tmp_path, X, NUMBER)
    with pytest.raises(ContractRefused, match="learns counts, and a label is -"):
        learnt(session, source, "PoissonRegression", "regression")
    source = file_rows(tmp_path, X, np.zeros_like(CLASS))
    with pytest.raises(ContractRefused, match="of one class"):
        learnt(session, source, "LogisticRegression", "binary")


def test_weights_are_refused_and_codes_of_categories_told(session: Session, tmp_path: Path) -> None:
    source = file_rows(tmp_path, X, CLASS)
    with pytest.raises(SpecError, match="knows no weights"):
        learnt(session, replace(source, vectors=frozenset({"weight"})), "GaussianNB", "binary")
    found = learnt(session, replace(source, categorical=(1, 3)), "GaussianNB", "binary")
    assert "as if they had an order: f1, f3" in found.notes[0]


def test_a_constant_feature_counts_for_nothing(session: Session, tmp_path: Path) -> None:
    rows = X.copy()
    rows[:, 2] = 0.1
    source = file_rows(tmp_path, rows, NUMBER)
    exact: dict[str, Any] = {"penalty": "none", "solver": "newton"}
    found = learnt(session, source, "LinearRegression", "regression", **exact).model
    assert isinstance(found, Linear)
    assert found.coefficients[2] == 0
    assert (found.coefficients[[0, 1, 3, 4, 5]] != 0).all()


def test_a_worker_without_the_files_prepares_them_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = file_rows(tmp_path, X, CLASS)
    before = clusters._step
    steps: list[int] = []

    def disturbed(training: Any, centres: Any) -> Any:
        if not steps:
            session.client.run(_lost, training.matrices.name)
        steps.append(1)
        return before(training, centres)

    monkeypatch.setattr(clusters, "_step", disturbed)
    found = learnt(
        session, source, "KMeans", "clustering", n_clusters=3, max_iter=2, init_max_iter=1
    ).model
    assert source.reads > len(parts(ROWS, 1700))
    monkeypatch.setattr(clusters, "_step", before)
    again = learnt(
        session, source, "KMeans", "clustering", n_clusters=3, max_iter=2, init_max_iter=1
    ).model
    assert kept(found) == kept(again)


@pytest.mark.parametrize("after", [1, 14])
def test_training_ends_when_it_is_cancelled(session: Session, tmp_path: Path, after: int) -> None:
    asked = cancelled(session, file_rows(tmp_path, X, CLASS), after)
    assert asked == after + 1
    assert not left(idle(session))


def test_a_task_that_runs_on_after_a_cancellation_leaves_no_files(
    session: Session, tmp_path: Path
) -> None:
    gate = tmp_path / "go on"
    source = replace(file_rows(tmp_path, X, CLASS), gate=gate)
    cancelled(session, source, after=1)
    assert source.reads > 1  # they wait at the gate
    gate.touch()
    assert not left(idle(session))


def cancelled(session: Session, source: FileRows, after: int) -> int:
    """Cancel a training when it has asked so many times; return how often it asked."""
    asked: list[int] = []

    def cancel() -> bool:
        asked.append(1)
        return len(asked) > after

    assignment = Assignment(CATALOGUE["dask_ml.LogisticRegression"], "binary", {}, 2)
    lesson = Lesson(assignment, source, parts(ROWS, 1700), 2)
    with pytest.raises(Cancelled, match="cancelled after"):
        learner("passes").fit(
            session.client, lesson, progress=lambda rows, peaks: None, cancel=cancel
        )
    return len(asked)


def idle(session: Session) -> Session:
    """Wait until the one thread of each worker is free."""
    workers = session.client.scheduler_info(n_workers=-1)["workers"]
    session.client.gather(
        [session.client.submit(os.getpid, workers=[name], pure=False) for name in workers]
    )
    return session


def test_no_block_is_held_while_a_sum_over_all_rows_is_waited_for() -> None:
    import dask.array as da

    from engine.learners.passes.arrays import Arrays

    source = FileRows(Path("nowhere"), WIDTH, Path("nowhere"))
    x = Arrays(matrices.Matrices.of(source, parts(ROWS, 1700)), tuple(range(WIDTH))).x
    centred = da.linalg.svd(x - x.mean(axis=0))[1]
    graph = dict(centred.__dask_graph__())
    reads = {key for key in graph if str(key).startswith(f"('{computing.READS}")}
    found = computing.fused(graph, centred.__dask_keys__())
    assert len(reads) == len(x.chunks[0]) == 3
    assert not reads & found.keys()  # each is part of the tasks that need its rows
    needed = {key for task in found.values() for key in task.dependencies}
    assert needed <= found.keys()


@pytest.mark.slow
def test_measured_memory_is_below_the_plan(session: Session, tmp_path: Path) -> None:
    """With blocks as they are: 2.5 blocks of 16 MiB, 12 MB a partition."""
    rows, width = 100_000, 60
    x = DRAW.normal(size=(rows, width)).astype(np.float32)
    source = file_rows(tmp_path, x, (x[:, 0] > 0).astype(np.float32))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrices, "BLOCK_BYTES", 16 * 2**20)
        for name, task, params in (
            ("LogisticRegression", "binary", {"max_iter": 2}),
            ("KMeans", "clustering", {"max_iter": 1, "n_clusters": 10, "init_max_iter": 2}),
            ("PCA", "reduction", {"n_components": 5}),
            ("TruncatedSVD", "reduction", {}),
            ("GaussianNB", "binary", {}),
            ("Incremental", "binary", {}),
        ):
            assignment = Assignment(CATALOGUE[f"dask_ml.{name}"], task, params, 2)  # type: ignore[arg-type]
            cut = parts(rows, 50_000)
            shape = Shape([part.partition for part in cut], width, 1, width)
            planned = sum(t.bytes for t in learner("passes").terms(assignment, shape, rows))
            found = learner("passes").fit(
                session.client,
                Lesson(assignment, source, cut, 2),
                progress=lambda rows, peaks: None,
                cancel=lambda: False,
            )
            assert 0 < found.peak_memory <= planned
