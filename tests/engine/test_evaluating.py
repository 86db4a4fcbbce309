"""Evaluation of every task: the parts together give what the whole rows give, and the baseline."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from engine import evaluating
from engine.boosting.council.labels import LabelCounts
from engine.bundle import Bundle
from engine.evaluating import Evaluation, EvaluationWork, constant, evaluate
from engine.features.pipeline import Pipeline
from engine.metrics import Measure
from engine.plan import Partition
from engine.preparing import PARTS, Labelled, TrainingData
from engine.statistics.moments import Moments
from engine.survey import Survey
from engine.vectors import Vectors
from tests.engine.features.stepping import fit_pipeline

ROWS = 600
TASKS = {
    "binary": "binary",
    "multiclass": "multiclass",
    "regression": "gamma",
    "ranking": "lambdarank",
}


@dataclass(frozen=True)
class Stored:
    """Stands for training data: partitions of the same rows, cut at multiples of a number."""

    rows: Labelled
    size: int

    def read(self, partition: Partition) -> Labelled:
        here = slice(partition.index * self.size, (partition.index + 1) * self.size)
        query = self.rows.vectors.query
        return replace(
            self.rows,
            frame=self.rows.frame[here],
            y=self.rows.y[here],
            parts=self.rows.parts[here],
            vectors=Vectors(query=None if query is None else query[here]),
        )


@lru_cache
def labelled(task: str) -> Labelled:
    random = np.random.default_rng(8)
    x = random.normal(size=(ROWS, 3)).astype(np.float32)
    wild = x[:, 0] + random.normal(size=ROWS)
    y = {
        "binary": wild > 0,
        "multiclass": np.digitize(wild, [-0.5, 0.8]),
        "regression": np.exp(wild),
        "ranking": np.digitize(wild, [0.5, 1.5]),
    }[task].astype(np.float32)
    query = np.repeat(np.arange(ROWS // 6, dtype=np.uint64), 6)
    # Queries are whole within a part: parts change with the query.
    parts = np.array([PARTS[("train", "valid", "test")[i % 3]] for i in query], np.uint8)
    vectors = Vectors(query=query if task == "ranking" else None)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(3)})
    return Labelled(frame, y, parts, 0, cast(Any, None), vectors)


@lru_cache
def bundle(task: str) -> Bundle:
    import lightgbm

    rows = labelled(task)
    train = rows.parts == PARTS["train"]
    params = {"objective": TASKS[task], "verbosity": -1, "num_leaves": 5, "num_threads": 1}
    params |= {"num_class": 3} if task == "multiclass" else {}
    group = np.full(train.sum() // 6, 6) if task == "ranking" else None
    x = rows.frame.to_numpy()[train]
    data = lightgbm.Dataset(x, rows.y[train], group=group, feature_name=["f0", "f1", "f2"])
    model = lightgbm.train(params, data, 5).model_to_string()
    return Bundle(
        model=model,
        pipeline=fit_pipeline(Pipeline(), rows.frame),
        types={},
        rules={},
        task=task,
        target="y",
        metrics={},
        provenance={"params": {}},
        objective=TASKS[task],
        classes=("a", "b", "c") if task == "multiclass" else None,
        query="q" if task == "ranking" else None,
    )


@lru_cache
def survey(task: str) -> Survey:
    rows = labelled(task)
    y = rows.y[rows.parts == PARTS["train"]]
    return Survey(target=Moments.of(pl.Series(y)), labels={"train": LabelCounts.of(y)})


MEASURES = {
    "binary": Measure("binary"),
    "multiclass": Measure("multiclass", 3),
    "regression": Measure("regression", objective="gamma", metric="mape"),
    "ranking": Measure("ranking", params={"eval_at": [2, 5]}),
}


class Plain:
    """LightGBM's own predictions, with a shape for no rows too."""

    def __init__(self, model: str) -> None:
        import lightgbm

        self.booster = lightgbm.Booster(model_str=model)

    def predict(self, x: Any) -> Any:
        outputs = self.booster.num_model_per_iteration()
        empty = np.empty((0, outputs) if outputs > 1 else 0)
        return self.booster.predict(x, num_threads=1) if len(x) else empty


@pytest.fixture(autouse=True)
def plain_predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predict by LightGBM itself: compiling and checking the fast kernels is not tested here."""
    monkeypatch.setattr(evaluating, "predictor", lru_cache(Plain))


def evaluated(task: str, size: int) -> Evaluation:
    data = cast(TrainingData, Stored(labelled(task), size))
    said = constant(bundle(task), survey(task))
    work = EvaluationWork(data, bundle(task), ("valid", "test"), said, MEASURES[task])
    cut = [Partition(i, (), size, 0, 0, 0) for i in range(-(-ROWS // size))]
    return reduce(Evaluation.merge, (evaluate(work, partition) for partition in cut))


@pytest.mark.parametrize("task", TASKS)
def test_any_cut_gives_the_same_results(task: str) -> None:
    whole = evaluated(task, ROWS)
    for size in (37, 250):
        cut = evaluated(task, size)
        assert repr(cut.results()) == repr(whole.results())
        assert repr(cut.curves()) == repr(whole.curves())


@pytest.mark.parametrize("task", TASKS)
def test_the_model_is_measured_beside_the_baseline(task: str) -> None:
    results, rows = evaluated(task, 64).results(), labelled(task)
    assert list(results) == ["valid", "test", "baseline_valid", "baseline_test"]
    metric, measure = MEASURES[task].followed[-1], MEASURES[task]
    for part in ("valid", "test"):
        assert results[part]["rows"] == (rows.parts == PARTS[part]).sum()
        model, baseline = results[part][metric], results[f"baseline_{part}"][metric]
        assert model > baseline if measure.better(metric) else model < baseline


def test_the_baseline_of_a_task() -> None:
    y = labelled("multiclass").y[labelled("multiclass").parts == PARTS["train"]]
    shares = constant(bundle("multiclass"), survey("multiclass"))
    assert shares == tuple((y == code).mean() for code in range(3))
    told = evaluated("multiclass", ROWS).results()["baseline_test"]
    assert told["balanced_accuracy"] == pytest.approx(1 / 3)
    assert constant(bundle("ranking"), survey("ranking")) == (0.0,)
    y = labelled("binary").y[labelled("binary").parts == PARTS["train"]]
    assert constant(bundle("binary"), survey("binary")) == pytest.approx((y.mean(),))


@pytest.mark.parametrize(
    ("task", "figures"),
    [
        ("binary", {"roc", "calibration"}),
        ("multiclass", {"confusion", "by_class"}),
        ("regression", set()),
        ("ranking", set()),
    ],
)
def test_figures_are_plain_data_by_part(task: str, figures: set[str]) -> None:
    curves = evaluated(task, ROWS).curves()
    assert set(curves) == figures
    assert all(set(parts) == {"valid", "test"} for parts in curves.values())
    assert json.loads(json.dumps(curves)) == curves
