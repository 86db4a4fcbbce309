"""The report of every task: its metrics, its directions, its figures; the page made of a bundle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from engine.metrics import HIGHER_IS_BETTER, Measure, MulticlassScores
from jobs.report.learning_curves import lines
from jobs.report.measured import quality
from jobs.report.metric_names import METRIC_NAMES, in_order, title
from jobs.report.modelling import Modelling
from jobs.report.outcome import Report
from jobs.report.quality import ClassCounts, Quality
from jobs.report.tiles import tiles
from jobs.report.write import render
from jobs.show.text import result_text
from tests.jobs.report.test_write import Page

WHEN = datetime(2026, 11, 21, 5, 12, tzinfo=UTC)
EVIL = "<b>$$x$$</b>"
ROWS = 90


def results(measure: Measure) -> dict[str, float]:
    random = np.random.default_rng(6)
    y = random.integers(0, 3, ROWS).astype(np.float32)
    p = random.random((ROWS, 3)) if measure.task == "multiclass" else 0.1 + random.random(ROWS)
    query = np.repeat(np.arange(ROWS // 5, dtype=np.uint64), 5)
    # As a bundle keeps them: JSON with sorted keys.
    return dict(sorted(measure.of(y, p, query).results().items()))


def report(task: str, **more: Any) -> Report:
    measure = Measure(task, 3, **more)
    found = results(measure)
    history = [{f"valid_{name}": found[name] for name in measure.followed}] * 3
    told = Quality({"valid": found, "test": found}, baselines={"baseline": {"test": found}})
    model = Modelling(history=history)
    return Report("j", "1", WHEN, task=task, metric=measure.metric, quality=told, model=model)


@pytest.mark.parametrize(
    ("asked", "says", "tile"),
    [
        (
            {"task": "multiclass"},
            ["Accuracy ↑", "Balanced accuracy ↑", "F1, mean of the classes ↑", "Log loss ↓"],
            "Accuracy, test",
        ),
        (
            {"task": "ranking"},
            ["Queries 18 18 18", "NDCG@1 ↑", "NDCG@10 ↑", "MAP@10 ↑", "MRR ↑", "NDCG@3 by round"],
            "NDCG@10, test",
        ),
        (
            {"task": "ranking", "metric": "map@2"},
            ["MAP@2 ↑", "MAP@2 by round"],
            "MAP@2, test",
        ),
        (
            {"task": "regression", "objective": "tweedie"},
            ["Tweedie loss ↓", "Tweedie loss by round", "RMSE ↓"],
            "RMSE, test",
        ),
        (
            {"task": "regression", "objective": "quantile", "metric": "quantile"},
            ["Quantile loss ↓"],
            "Quantile loss, test",
        ),
    ],
)
def test_metrics_of_a_task_are_shown_with_their_direction(
    asked: dict[str, Any], says: list[str], tile: str
) -> None:
    page = report(**asked)
    text = Page(render(page)).text
    for words in says:
        assert words in text, words
    assert "at 0.5" not in text and "ROC curve" not in text and "Calibration" not in text
    assert tiles(page)[0].label == tile


def test_every_metric_has_a_name_and_a_place() -> None:
    assert set(HIGHER_IS_BETTER) <= set(METRIC_NAMES)
    names = ["ndcg@10", "ndcg@5", "rows", "mine", "map@5", "auc"]
    assert in_order(names) == ["rows", "auc", "ndcg@5", "ndcg@10", "map@5"]
    assert (title("map@5"), title("rows"), title("mine@x")) == ("MAP@5", "Rows", "mine@x")


def test_curves_belong_to_the_longest_metric() -> None:
    history = [{"valid_balanced_accuracy": 0.5, "valid_accuracy": 0.6, "valid_ndcg@10": 0.7}]
    found = lines([*history, {"ndcg@10": 0.8, "seconds": 1.0, "a@b_c": 3.0}])
    assert found == {
        "balanced_accuracy": {"valid": ([1], [0.5])},
        "accuracy": {"valid": ([1], [0.6])},
        "ndcg@10": {"valid": ([1], [0.7]), "ndcg@10": ([2], [0.8])},
    }


@pytest.mark.parametrize(("k", "drawn"), [(2, True), (20, True), (21, False), (150, False)])
def test_classes_are_shown_and_the_matrix_of_few(k: int, drawn: bool) -> None:
    classes = tuple(f"{EVIL}{i}" for i in range(k))
    random = np.random.default_rng(3)
    scores = MulticlassScores.of(random.integers(0, k, ROWS), random.random((ROWS, k)), k)
    curves = {name: {"test": found, "valid": []} for name, found in scores.curves().items()}
    told = quality({"results": {"test": scores.results()}, **curves}, classes, "multiclass")
    html = render(Report("j", "1", WHEN, task="multiclass", quality=told))
    page = Page(html)
    assert "decision" in page.ids and "Rows of the test part" in page.text
    assert ("Confusion matrix" in page.text) == drawn
    assert ("first 100 of 150 classes" in page.text) == (k > 100)
    assert "<b>$$" not in html
    first = told.by_class[0]
    assert first.rows == scores.confusion[0].sum() and first.right == scores.confusion[0, 0]
    assert f"{EVIL}0 {first.rows} {first.predicted}" in page.text
    assert len(html.encode()) < 3_000_000


def test_classes_of_other_types_are_written_as_their_columns_are() -> None:
    curves = {"by_class": {"valid": [[2, 1, 1], [1, 2, 1]]}}
    found = quality(curves, (False, True), "multiclass")
    assert [one.name for one in found.by_class] == ["false", "true"]
    assert found.judged == "valid"


def test_a_class_that_is_never_seen_has_no_figures() -> None:
    told = Quality(judged="test", by_class=[ClassCounts("a", 0, 0, 0)])
    page = Report("j", "1", WHEN, quality=told)
    assert "a 0 0" + 3 * " \u2013" in Page(render(page)).text


def test_results_are_printed_for_a_person() -> None:
    told = result_text({"metrics": {"test": results(Measure("ranking"))}})
    assert "ndcg@10 0." in told and "queries 18" in told
