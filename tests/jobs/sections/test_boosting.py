"""What ``[train]`` asks for reaches boosting, and what boosting tells reaches the reporter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cluster.resources import Resources
from cluster.spec import LocalCluster
from engine.boosting import RoundEvent
from engine.boosting.council.labels import LabelCounts
from engine.boosting.schedule import Exponential
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.split import Split
from engine.training.fitting import Prepared
from engine.training.preparing import TrainingData
from engine.training.survey import Survey
from jobs.sections import boosting
from jobs.spec.job import TrainSpec
from jobs.work.training import Training

BASE = {"data": "a", "target": "y", "model": "m"}
CLASSES = ("ash", "elm", "oak")


def spec(**given: Any) -> TrainSpec:
    return TrainSpec.model_validate({**BASE, **given})


def both(section: TrainSpec, classes: tuple[str, ...] | None = None) -> tuple[Training, Prepared]:
    """Return a section as it is trained, and rows with these classes: 10, 20 and 30 of them."""
    nothing: Any = None
    data = TrainingData(nothing, "y", Split("random"), ("a",), task=section.task, classes=classes)
    pipeline = FittedPipeline({}, (), ("a", "b"), ("a", "b"))
    survey = Survey(labels={"train": LabelCounts(rows=60, counted=(10, 20, 30))})
    prepared = Prepared(data, pipeline, True, survey, {}, {}, pl.DataFrame())
    return Training(section, nothing, data, pipeline, nothing), prepared


def test_a_multiclass_task_learns_as_many_classes_as_there_are() -> None:
    section = spec(task="multiclass", metric="accuracy", class_weight={"elm": 3})
    training, prepared = both(section, CLASSES)
    told = boosting.learning(training, prepared, subsets=2)
    assert (told.task, told.classes, told.metric, told.subsets) == ("multiclass", 3, "accuracy", 2)
    assert told.measure is not None
    assert (told.measure.classes, told.measure.followed[0]) == (3, "accuracy")
    assert boosting.source(training, prepared).class_weights == (1.0, 3.0, 1.0)


def test_balanced_weights_come_from_the_labels_that_were_counted() -> None:
    training, prepared = both(spec(task="multiclass", class_weight="balanced"), CLASSES)
    assert boosting.source(training, prepared).class_weights == pytest.approx((2.0, 1.0, 2 / 3))


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"class_weight": {"fir": 2}}, "'fir' is none of the classes"),
        ({"init_score": ["a", "b"]}, "3 classes and 2 first scores"),
    ],
)
def test_what_does_not_fit_the_classes_that_were_found(given: dict[str, Any], what: str) -> None:
    with pytest.raises(SpecError, match=what):
        boosting.source(*both(spec(task="multiclass", **given), CLASSES))


def test_a_binary_task_with_two_texts_has_one_output() -> None:
    training, prepared = both(spec(task="binary", classes=["no", "yes"]), ("no", "yes"))
    assert boosting.learning(training, prepared, 1).classes == 0


def test_all_keys_reach_learning() -> None:
    section = spec(
        task="regression",
        objective="poisson",
        schedule={"kind": "exponential", "factor": 0.9},
        monotone={"b": -1},
        interactions=[["a"], ["a", "b"]],
        reproducible=True,
        max_time="2m",
        seed=7,
        params={"n_iter": 9, "num_leaves": 5},
    )
    told = boosting.learning(*both(section), subsets=1)
    assert (told.objective, told.rounds, told.seed) == ("poisson", 9, 7)
    assert told.params == {"num_leaves": 5} and told.schedule == Exponential(0.1, 0.9)
    assert (told.monotone, told.interactions) == ((0, -1), ((0,), (0, 1)))
    assert told.reproducible and told.max_seconds == 120 and told.base is None


def test_all_keys_reach_conduct() -> None:
    section = spec(task="regression", max_memory="1 MiB", keep_bins=True, restarts=1)
    told = boosting.conduct(section, LocalCluster(), Resources(2, 1, 2**30), Path("c"))
    assert (told.memory, told.keep_bins, told.restarts) == (2**20, True, 1)
    assert told.checkpoint == Path("c")
    open_end = boosting.conduct(spec(task="binary"), LocalCluster(), Resources(2, 1, 9), Path("c"))
    assert open_end.memory == 9


class Heard:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.rounds: list[int] = []
        self.warnings: list[str] = []

    def progress(self, rows_done: int, *_: object) -> None:
        self.rows.append(rows_done)

    def round(self, round: int, *_: object) -> None:
        self.rounds.append(round)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


def test_rows_are_counted_anew_after_a_restart() -> None:
    heard: Any = Heard()
    tell = boosting.teller(heard)
    loading = RoundEvent("loading", 1, 0, 9, rows=10)
    tell(loading)
    tell(replace(loading, rows=25))
    tell(RoundEvent("round", 0, 1, 9))
    tell(RoundEvent("checkpoint", 0, 1, 9))
    tell(RoundEvent("restart", 0, 1, 9, reason="rank 1 was lost"))
    tell(replace(loading, rows=5))
    assert heard.rows == [10, 15, 5]
    assert heard.rounds == [1] and heard.warnings == ["rank 1 was lost"]
