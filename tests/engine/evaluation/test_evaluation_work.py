"""Evaluation of every task: the parts together give what the whole rows give, and the baselines."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any, ClassVar, cast

import numpy as np
import polars as pl
import pytest

from engine import memory
from engine.baselines import Known
from engine.boosting.council.labels import LabelCounts
from engine.bundle import Bundle
from engine.calibration import Isotonic
from engine.evaluation.contestants import Contestant, of_bundle
from engine.evaluation.entrants import baselines, entered
from engine.evaluation.measuring import Metrics
from engine.evaluation.scored import Evaluation
from engine.evaluation.slices import Slices, Slicing
from engine.evaluation.work import EvaluationWork, evaluate
from engine.features.pipeline import Pipeline
from engine.memory import Measured, Shape
from engine.metrics import Measure
from engine.models import Trees
from engine.plan import Partition
from engine.reserved import DRAW, ROW, TARGET
from engine.statistics.moments import Moments
from engine.training.fitting import Prepared
from engine.training.preparing import PARTS, Labelled, TrainingData
from engine.training.survey import Survey
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
    balance: None = None
    target: str | None = "y"

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
    frame = frame.with_columns(
        pl.Series(ROW, np.arange(ROWS)),
        pl.Series(TARGET, y.astype(np.float64)),
        pl.Series(DRAW, random.random(ROWS)),
        pl.Series("kind", [("a", "b", None, "c")[i % 4] for i in range(ROWS)]),
    )
    return Labelled(frame, y, parts, 0, cast(Any, None), vectors)


@lru_cache
def bundle(task: str) -> Bundle:
    import lightgbm

    rows = labelled(task)
    train = rows.parts == PARTS["train"]
    params = {"objective": TASKS[task], "verbosity": -1, "num_leaves": 5, "num_threads": 1}
    params |= {"num_class": 3} if task == "multiclass" else {}
    group = np.full(train.sum() // 6, 6) if task == "ranking" else None
    x = rows.frame[:, :3].to_numpy()[train]
    data = lightgbm.Dataset(x, rows.y[train], group=group, feature_name=["f0", "f1", "f2"])
    model = lightgbm.train(params, data, 5).model_to_string()
    return Bundle(
        model=Trees(model),
        pipeline=fit_pipeline(Pipeline(), rows.frame[:, :3]),
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


def prepared(task: str) -> Prepared:
    rows = labelled(task)
    data = cast(TrainingData, Stored(rows, ROWS))
    sample = rows.frame.filter(rows.parts == PARTS["train"])
    return Prepared(data, bundle(task).pipeline, True, survey(task), {}, {}, sample)


@lru_cache
def entrants(task: str) -> tuple[Contestant, ...]:
    known = Known(task, 3 if task == "multiclass" else 0, TASKS[task])
    return tuple(entered(baselines(prepared(task), known, all_of_them=True), None, MEASURES[task]))


PARTS_SEEN = ("train", "valid", "test")


@lru_cache
def evaluated(task: str, size: int, share: float = 1.0) -> Evaluation:
    own = of_bundle(bundle(task), Metrics(MEASURES[task]))
    slicings = (Slicing("kind", "k", {}, ("b", None)), Slicing("x1 > 0", "k", {}, ("true",)))
    work = EvaluationWork(
        cast(TrainingData, Stored(labelled(task), size)),
        bundle(task).pipeline,
        (own, *entrants(task)),
        PARTS_SEEN,
        3 if task == "multiclass" else 1,
        share=share,
        slices=Slices(slicings, Metrics(MEASURES[task], 1 << 10), ("valid", "test")),
    )
    cut = [Partition(i, (), size, 0, 0, 0) for i in range(-(-ROWS // size))]
    return reduce(Evaluation.merge, (evaluate(work, partition) for partition in cut))


@pytest.mark.parametrize("task", TASKS)
def test_any_cut_gives_the_same_results(task: str) -> None:
    whole = evaluated(task, ROWS)
    for size in (37, 250):
        cut = evaluated(task, size)
        assert repr(cut.results()) == repr(whole.results())
        assert repr(cut.curves()) == repr(whole.curves())
        assert repr(cut.beside()) == repr(whole.beside())
        assert set(cut.slices) == set(whole.slices)
        for key, scores in cut.slices.items():
            assert repr(scores.results()) == repr(whole.slices[key].results())


@pytest.mark.parametrize("task", TASKS)
def test_the_model_is_measured_beside_the_baseline(task: str) -> None:
    results, rows = evaluated(task, 64).results(), labelled(task)
    assert list(results) == [*PARTS_SEEN, *(f"baseline_{part}" for part in PARTS_SEEN)]
    metric, measure = MEASURES[task].followed[-1], MEASURES[task]
    for part in ("valid", "test"):
        assert results[part]["rows"] == (rows.parts == PARTS[part]).sum()
        model, baseline = results[part][metric], results[f"baseline_{part}"][metric]
        assert model > baseline if measure.better(metric) else model < baseline


def test_the_constant_of_a_task() -> None:
    y = labelled("multiclass").y[labelled("multiclass").parts == PARTS["train"]]
    shares = entrants("multiclass")[0].model.predict(np.zeros((1, 3), np.float32))
    assert shares.tolist() == [[(y == code).mean() for code in range(3)]]
    told = evaluated("multiclass", ROWS).results()["baseline_test"]
    assert told["balanced_accuracy"] == pytest.approx(1 / 3)
    assert entrants("ranking")[0].model.predict(np.zeros((2, 3), np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize("task", TASKS)
def test_baselines_learn_something_on_every_task(task: str) -> None:
    found, measure = evaluated(task, ROWS), MEASURES[task]
    metric = measure.followed[0]
    values = {name: parts["test"][metric] for name, parts in found.beside()["baselines"].items()}
    assert list(values) == ["constant", "one_feature", "linear"]
    for name in ("one_feature", "linear"):
        better = values[name] > values["constant"]
        assert better == measure.better(metric), values


def test_slices_cover_the_rows_of_their_parts() -> None:
    found, rows = evaluated("regression", 37), labelled("regression")
    for number, values in ((0, rows.frame["kind"]), (1, rows.frame["x1"] > 0)):
        by_place = dict(found.sliced(number))
        for part in ("valid", "test"):
            here = rows.parts == PARTS[part]
            counts = {place: scores[part].results()["rows"] for place, scores in by_place.items()}
            assert sum(counts.values()) == here.sum()
            first = "b" if number == 0 else True
            assert counts[0] == ((values == first).fill_null(False).to_numpy() & here).sum()
    assert "train" not in {key[2] for key in found.slices}


def test_a_sample_of_the_training_rows_is_the_same_for_any_cut() -> None:
    whole, cut = (evaluated("binary", size, share=0.5).results() for size in (ROWS, 41))
    assert repr(cut) == repr(whole)
    rows = (labelled("binary").parts == PARTS["train"]).sum()
    assert 0.3 * rows < whole["train"]["rows"] < 0.7 * rows
    assert whole["test"] == evaluated("binary", ROWS).results()["test"]


def test_a_sample_of_a_ranking_holds_whole_queries() -> None:
    drawn = evaluated("ranking", 64, share=0.5).results()["train"]
    whole = evaluated("ranking", 64).results()["train"]
    assert drawn["rows"] == 6 * drawn["queries"] < whole["rows"]


def test_a_calibrated_model_is_measured_before_it_too() -> None:
    said = replace(bundle("binary"), calibration=Isotonic((0.0, 1.0), (0.5, 0.5)))
    own = of_bundle(said, Metrics(MEASURES["binary"]))
    data = cast(TrainingData, Stored(labelled("binary"), ROWS))
    work = EvaluationWork(data, said.pipeline, (own,), ("test",))
    found = evaluate(work, Partition(0, (), ROWS, 0, 0, 0))
    plain = evaluated("binary", ROWS).results()["test"]
    assert found.beside()["uncalibrated"]["test"] == plain
    assert found.results()["test"]["auc"] == 0.5
    rows = labelled("binary")
    share = rows.y[rows.parts == PARTS["test"]].mean()
    errors = found.beside()["calibration_error"]
    assert errors["model"]["test"] == pytest.approx(abs(share - 0.5), abs=1e-6)
    assert 0 < errors["uncalibrated"]["test"] < 0.2


def test_what_a_partition_takes_is_planned() -> None:
    copies = 200
    rows, task = labelled("binary"), "binary"
    many = ROWS * copies
    data = replace(
        rows,
        frame=pl.concat([rows.frame] * copies).with_columns(pl.Series(ROW, np.arange(many))),
        y=np.tile(rows.y, copies),
        parts=np.full(many, PARTS["valid"], np.uint8),
    )
    spread = np.random.default_rng(2).normal(size=many).astype(np.float32)
    data = replace(data, frame=data.frame.with_columns(pl.Series("x0", spread)))
    slicing = Slicing("kind", "k", {}, ("a", "b", "c", None))
    line, full = entrants(task)[-1], Metrics(MEASURES[task])  # nearly each row says another number
    work = EvaluationWork(
        cast(TrainingData, Stored(data, many)),
        bundle(task).pipeline,
        (replace(line, told={"model": None, "uncalibrated": None}, measure=full), line),
        PARTS_SEEN,
        slices=Slices((slicing,), Metrics(MEASURES[task], 1 << 14), ("valid", "test")),
    )
    whole = Partition(0, (), many, 0, 0, 0)
    evaluate(replace(work, parts=("test",)), whole)  # what is loaded once
    tracemalloc.start()
    evaluate(work, whole)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    asked = Measured(3, 3, 8, 1, slice_keys=1 << 14)
    terms = {term.name: term.bytes for term in memory.evaluation(Shape([whole], 3, 1), asked)}
    names = ("features of a partition", "predictions of some rows", "scores of a partition")
    planned = sum(terms[name] for name in (*names, "scores while they are counted"))
    assert planned / 4 < peak <= planned


@dataclass(frozen=True)
class Nearest:
    """Two clusters: the nearer centre, and the distance to it."""

    kind: ClassVar[str] = "nearest"
    width: int = 3

    def predict(self, x: Any) -> Any:
        distances = np.abs(x[:, :1].astype(float) - np.array([-1.0, 1.0]))
        return np.stack([distances.argmin(axis=1), distances.min(axis=1)], axis=1)

    def files(self) -> dict[str, bytes]:
        return {}


def test_a_task_without_a_label_is_measured_on_its_rows() -> None:
    measure, rows = Measure("clustering"), labelled("binary")
    own = Contestant(Nearest(), {"model": None}, Metrics(measure))
    data = replace(Stored(rows, 50), target=None)
    work = EvaluationWork(cast(TrainingData, data), bundle("binary").pipeline, (own,), ("train",))
    cut = [Partition(i, (), 50, 0, 0, 0) for i in range(ROWS // 50)]
    found = reduce(Evaluation.merge, (evaluate(work, one) for one in cut)).results()
    x = rows.frame["x0"].to_numpy()[rows.parts == PARTS["train"]].astype(float)
    inertia = (np.minimum(np.abs(x - 1), np.abs(x + 1)) ** 2).sum()
    assert found["train"]["inertia"] == pytest.approx(inertia)
    assert "baseline_train" not in found


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
    assert figures <= set(curves)
    assert all(set(parts) == set(PARTS_SEEN) for parts in curves.values())
    assert json.loads(json.dumps(curves)) == curves
