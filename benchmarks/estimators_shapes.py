"""Shapes on which the memory of each estimator is measured, and tables of these shapes.

Each case is what makes an estimator hold much: many features, classes or clusters, deep trees,
dense neighbours. Rows of a table are float32 numbers around some centres, with a label that trees
cannot learn by heart in a few cuts; the same shape gives the same bytes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_CELLS = 8_000_000  # of a row group
CENTRES = 20
SPREAD = 3.0  # of the centres, in deviations of the rows around them

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """An estimator and the shape of what it learns from.

    Attributes:
        estimator: As a job file names it.
        task: As in the job file.
        rows: Of the table.
        features: Of a row.
        classes: Of a multiclass task.
        params: Of the estimator.
        note: What is special of it, in a few words.
        evaluated: Whether the model is measured too, beside baselines.
    """

    estimator: str
    task: str
    rows: int
    features: int
    classes: int = 0
    params: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    evaluated: bool = False

    @property
    def labelled(self) -> bool:
        """Whether the task has a label."""
        return self.task in ("binary", "multiclass", "regression")

    def __str__(self) -> str:
        """Return the shape, in a few words."""
        words = [f"{self.rows / 1e3:g}k x {self.features}"]
        words += [f"{self.classes} classes"] if self.classes else []
        words += [f"`{name} = {value}`" for name, value in self.params.items()]
        return ", ".join([*words, *([self.note] if self.note else [])])

    def sections(self, data: Path) -> dict[str, object]:
        """Return the job's sections, without its cluster."""
        train: dict[str, object] = {"data": "table", "estimator": self.estimator, "model": "model"}
        train |= {"sample_rows": self.rows, "task": self.task, "params": dict(self.params)}
        if self.labelled:
            train |= {"target": "y", "split": {"by": "random", "valid": 0.1}}
        features = [f"f{n}" for n in range(self.features)]
        return {
            "data": {"table": {"path": f"{data}/*.parquet"}},
            "features": {"columns": features},
            "train": train,
            **({"evaluate": {"baseline": True}} if self.evaluated else {}),
        }


def _sampled() -> Iterator[Case]:
    """Yield what is measured of estimators that learn from a sample."""
    few = {"n_estimators": 20}
    for kind in ("RandomForest", "ExtraTrees"):
        yield Case(f"sklearn.{kind}Classifier", "binary", 50_000, 20, params=few, evaluated=True)
        yield Case(f"sklearn.{kind}Classifier", "multiclass", 30_000, 10, 20, few)
        yield Case(f"sklearn.{kind}Regressor", "regression", 50_000, 10, params=few)
    yield Case("sklearn.IsolationForest", "anomaly", 200_000, 30)
    yield Case("sklearn.IsolationForest", "anomaly", 50_000, 10, params={"max_samples": 0.5})
    yield Case("sklearn.KNeighborsClassifier", "binary", 200_000, 20)
    yield Case("sklearn.KNeighborsClassifier", "multiclass", 10_000, 200, 20, evaluated=True)
    yield Case("sklearn.KNeighborsRegressor", "regression", 200_000, 10)
    yield Case("sklearn.SVC", "binary", 10_000, 20)
    yield Case("sklearn.SVC", "multiclass", 4_000, 100, 10, evaluated=True)
    yield Case("sklearn.SVR", "regression", 10_000, 20)
    yield Case("sklearn.OneClassSVM", "anomaly", 10_000, 20, params={"nu": 0.2})
    yield Case("sklearn.LinearSVC", "binary", 100_000, 50)
    yield Case("sklearn.LinearSVR", "regression", 100_000, 50)
    yield Case("sklearn.LogisticRegression", "binary", 200_000, 50)
    yield Case("sklearn.LogisticRegression", "multiclass", 50_000, 50, 20)
    yield Case("sklearn.Ridge", "regression", 200_000, 50)
    trees = {"max_iter": 10}
    yield Case("sklearn.HistGradientBoostingClassifier", "binary", 200_000, 50, params=trees)
    yield Case("sklearn.HistGradientBoostingClassifier", "multiclass", 50_000, 50, 20, trees)
    yield Case("sklearn.HistGradientBoostingRegressor", "regression", 200_000, 50, params=trees)
    yield Case("sklearn.LocalOutlierFactor", "anomaly", 30_000, 10)
    yield Case("sklearn.KMeans", "clustering", 200_000, 50)
    yield Case("sklearn.KMeans", "clustering", 30_000, 50, params={"n_clusters": 200})
    yield Case("sklearn.GaussianMixture", "clustering", 100_000, 30, params={"n_components": 10})
    yield Case("sklearn.DBSCAN", "clustering", 50_000, 2, params={"eps": 0.1}, note="some near")
    yield Case("sklearn.DBSCAN", "clustering", 20_000, 3, params={"eps": 1.0}, note="many near")
    yield Case("sklearn.HDBSCAN", "clustering", 30_000, 5)
    yield Case("sklearn.HDBSCAN", "clustering", 8_000, 50)
    yield Case("sklearn.AgglomerativeClustering", "clustering", 8_000, 10)
    average = {"linkage": "average"}
    yield Case("sklearn.AgglomerativeClustering", "clustering", 8_000, 10, params=average)


def _streamed() -> Iterator[Case]:
    """Yield what is measured of estimators that learn batch by batch."""
    one = {"epochs": 1}
    yield Case("sklearn.SGDClassifier", "binary", 200_000, 28, evaluated=True)
    yield Case("sklearn.SGDClassifier", "multiclass", 10_000, 1_000, 100, one, "wide")
    yield Case("sklearn.Perceptron", "binary", 200_000, 28, params=one)
    yield Case("sklearn.PassiveAggressiveClassifier", "binary", 200_000, 28, params=one)
    yield Case("sklearn.SGDRegressor", "regression", 200_000, 28, params=one)
    yield Case("sklearn.MLPClassifier", "binary", 50_000, 50, params={"epochs": 2}, evaluated=True)
    hidden = {"hidden_layer_sizes": [1024, 512], **one}
    yield Case("sklearn.MLPClassifier", "multiclass", 5_000, 1_000, 100, hidden, "wide")
    yield Case("sklearn.MLPRegressor", "regression", 50_000, 50, params=one)
    clusters = {"n_clusters": 200, **one}
    yield Case("sklearn.MiniBatchKMeans", "clustering", 200_000, 50, params=clusters)
    yield Case("sklearn.MiniBatchKMeans", "clustering", 10_000, 1_000, params=clusters)
    yield Case("sklearn.IncrementalPCA", "reduction", 200_000, 50)
    yield Case("sklearn.IncrementalPCA", "reduction", 10_000, 500, note="wide")
    yield Case("sklearn.GaussianNB", "multiclass", 200_000, 50, 20)
    yield Case("sklearn.GaussianNB", "multiclass", 10_000, 1_000, 50, note="wide")
    yield Case("sklearn.BernoulliNB", "multiclass", 200_000, 50, 20)


def _passes() -> Iterator[Case]:
    """Yield what is measured of dask-ml's estimators."""
    few = {"max_iter": 5}
    yield Case("dask_ml.LogisticRegression", "binary", 200_000, 28, params=few, evaluated=True)
    yield Case("dask_ml.LogisticRegression", "binary", 20_000, 500, params=few, note="wide")
    yield Case("dask_ml.LinearRegression", "regression", 200_000, 28, params=few)
    yield Case("dask_ml.PoissonRegression", "regression", 200_000, 28, params=few)
    yield Case("dask_ml.GaussianNB", "binary", 200_000, 28)
    yield Case("dask_ml.GaussianNB", "multiclass", 20_000, 200, 20, note="wide")
    yield Case("dask_ml.Incremental", "binary", 200_000, 28)
    yield Case("dask_ml.KMeans", "clustering", 200_000, 20, params=few)
    yield Case("dask_ml.KMeans", "clustering", 50_000, 10, params={"n_clusters": 50, **few})
    for name in ("PCA", "TruncatedSVD"):
        yield Case(f"dask_ml.{name}", "reduction", 200_000, 50)
        yield Case(f"dask_ml.{name}", "reduction", 20_000, 500, note="wide")


CASES: Mapping[str, tuple[Case, ...]] = {
    "sampled": tuple(_sampled()),
    "streamed": tuple(_streamed()),
    "passes": tuple(_passes()),
}
"""The cases by the way in which their estimators learn (`engine.learners.estimator.Way`)."""


def _groups(case: Case) -> Iterator[pa.Table]:
    step = max(1_000, min(500_000, GROUP_CELLS // case.features))
    centres = np.random.default_rng(7).normal(0, SPREAD, (CENTRES, case.features))
    for first in range(0, case.rows, step):
        rows = min(step, case.rows - first)
        draw = np.random.default_rng([9, first, case.features])
        near = draw.integers(0, CENTRES, rows)
        x = (centres[near] + draw.standard_normal((rows, case.features))).astype(np.float32)
        columns: dict[str, Any] = {f"f{n}": x[:, n] for n in range(case.features)}
        yield pa.table({**columns, "y": _label(draw, case, x)})


def _label(draw: np.random.Generator, case: Case, x: Array) -> Array:
    noisy = x[:, 0] + 3 * draw.standard_normal(len(x))
    if case.task == "binary":
        return np.asarray(noisy > 0, np.int32)
    if case.task == "multiclass":
        return np.asarray(np.abs(np.floor(noisy * case.classes)) % case.classes, np.int32)
    # Counts, so that Poisson regression learns them too.
    return np.asarray(np.abs(np.floor(3 * noisy)), np.float32)


def table(case: Case, cache: Path) -> Path:
    """Return the folder of a case's table; write it first if it is not there yet."""
    task = f"{case.task if case.labelled else 'none'}{case.classes}"
    folder = cache / f"estimator-v1-{case.rows}x{case.features}-{task}"
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    if folder.exists():
        return folder
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    writer = None
    for group in _groups(case):
        writer = writer or pq.ParquetWriter(
            draft / "rows.parquet", group.schema, compression="zstd", use_dictionary=False
        )
        writer.write_table(group, row_group_size=group.num_rows)
    assert writer is not None
    writer.close()
    return draft.rename(folder)
