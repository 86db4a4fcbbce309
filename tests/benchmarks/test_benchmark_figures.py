"""What benchmarks say of their figures: goals, ratios, metrics by their definitions."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import goals
import numpy as np
import pytest
import report
import scores
import train
import train_larger
import train_memory
import train_published
import train_stopping
from goals import Goal
from train_memory import Peak
from train_reference import Stopped
from train_shapes import Case


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(2.0, True, True), (2.1, True, False), (1.9, False, False), (None, True, None)],
)
def test_a_goal_is_met_at_its_bound(value: float | None, at_most: bool, met: bool | None) -> None:
    goal = Goal("x", value, 2.0, at_most)
    assert goal.met is met
    assert ("MISSED" in str(goal)) == (met is False)
    assert goals.missed([goal]) == (met is False)


def test_nothing_is_compared_with_what_was_not_measured() -> None:
    assert goals.ratio(None, 2.0) is None
    assert goals.ratio(2.0, 0) is None
    assert goals.ratio(1, 4) == 0.25


def test_results_and_goals_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results: list[dict[str, object]] = [
        {"contestant": "millrace", "wall": 2.0, "ended": "finished"},
        {"contestant": "other", "wall": 5.0, "ended": "finished"},
    ]
    report.finish("title", results, ("wall",), tmp_path / "out.json", [Goal("g", 1.0, 2.0)])
    kept = json.loads((tmp_path / "out.json").read_text())
    assert [line["x wall"] for line in kept["results"]] == [1.0, 2.5]
    assert kept["goals"][0]["met"] is True
    assert "goal: g: 1 (at most 2): met" in capsys.readouterr().out


def test_metrics_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

    draw = np.random.default_rng(1)
    y, score = draw.integers(0, 2, 500), draw.integers(0, 9, 500) / 10  # with ties
    assert scores.area(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    chance = draw.dirichlet(np.ones(3), 200)
    classes = draw.integers(0, 3, 200)
    assert scores.log_loss(classes, chance) == pytest.approx(log_loss(classes, chance), abs=1e-9)
    relevance, found = draw.integers(0, 5, 30), draw.random(30)
    theirs = ndcg_score([2.0**relevance - 1], [found], k=10)
    ours = scores.ndcg(relevance, found, np.zeros(30))
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_a_query_without_relevant_rows_counts_as_one() -> None:
    y, query = np.array([0, 0, 3, 0]), np.array([1, 1, 2, 2])
    assert scores.ndcg(y, np.array([1.0, 2, 1, 2]), query) == pytest.approx(
        (1 + 1 / np.log2(3)) / 2
    )


def line(name: str, **figures: object) -> dict[str, object]:
    return {"contestant": name, "ended": "finished", **figures}


def test_goals_of_training_are_held_against_each_contestant() -> None:
    found = train.goals(
        [
            line("millrace", wall=10.0, load=5.0, **{"worker MB": 100.0}),
            line("reading", wall=6.0, load=4.5, **{"worker MB": 90.0}),
            line("lightgbm.dask", wall=30.0, load=1.0, **{"worker MB": 500.0}),
            {"contestant": "pandas", "ended": "exit 1", "wall": 1.0},
        ]
    )
    values = {goal.what: goal.value for goal in found}
    assert values["memory of a worker, of lightgbm.dask's"] == 0.2
    assert values["reading and binning alone, of the load phase"] == 0.9
    assert values["wall time, of pandas's"] is None
    assert [goal.met for goal in found] == [True, True, True, None, None, None]


@pytest.mark.parametrize(("text", "size"), [("1GiB", 2**30), ("448MiB", 448 * 2**20), ("7", 7)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert train.size(text) == size


def test_bytes_of_rows_come_from_two_sizes() -> None:
    case, less = Case(4_000, 10), Case(1_000, 10)
    one, other = Peak(50_000, 70_000, (), 0, 0), Peak(5_000, 40_000, (), 0, 0)
    found = train_memory.slope(case, less, one, other, 2)
    assert found == {"B/cell": 3.0, "B/row above 1 B/cell": 20.0, "planned B/cell": 2.0}


def test_a_peak_over_its_projection_misses_the_goals() -> None:
    planned = {"steps": [{"name": "prepare", "peak": 90}, {"name": "train", "peak": 100}]}
    told: dict[str, Any] = {"prepare": {"measured": 95}, "train": {"measured": 80}}
    peak = train_memory._peak(planned, told, 85)
    assert (peak.measured, peak.over, peak.planned) == (80, ("prepare",), 100)
    asked = train_memory.goals([{"shape": "x", **train_memory._figures(peak)}])
    assert [goal.met for goal in asked] == [True, True, False, True]


def test_shapes_that_were_not_measured_miss_a_goal() -> None:
    asked = train_memory.goals([{"shape": "x", "ended": "refused"}])
    assert goals.missed(asked)


def test_raw_data_are_as_large_as_asked_for() -> None:
    rows = train_larger.rows_for(10, 2, 448 * 2**20, 28)
    assert rows * 28 * 8 >= 10 * 2 * 448 * 2**20 > (rows - 1) * 28 * 8


def test_what_the_plan_says_of_rotation_is_read() -> None:
    why = (
        "the bins of all rows do not fit: 4 subsets of the rows have their turn, 10 rounds each; "
        "1.7 GB of bins are read again from the disks of the workers"
    )
    step = {"passes": ["rows into bins", why], "notes": []}
    assert train_larger.turns(step) == {"subsets": 4.0, "planned again GB": 1.7}
    step = {"passes": ["rows into bins"], "notes": []}
    assert train_larger.turns(step) == {"subsets": None, "planned again GB": None}


def test_rotation_may_lose_so_much_and_not_more() -> None:
    results = [
        {"contestant": "confined", "AUC": 0.770, "measured MB": 90.0},
        {"contestant": "full", "AUC": 0.773, "measured MB": 500.0},
    ]
    found = train_larger.goals(results, 3_000, 200, 100_000_000)
    assert [goal.met for goal in found] == [True, False, True]


@pytest.mark.parametrize(
    ("metric", "mine", "theirs", "worse"),
    [("AUC", 0.7, 0.75, 0.05), ("RMSE", 11.0, 10.0, 0.1), ("log loss", 0.9, 1.0, -0.1)],
)
def test_worse_has_the_direction_of_the_metric(
    metric: str, mine: float, theirs: float, worse: float
) -> None:
    assert train_published.worse(metric, mine, theirs) == pytest.approx(worse)


def test_a_training_that_failed_misses_its_goal() -> None:
    result = {"set": "x", "metric": "AUC", "tolerance": 0.1, "worse by": None, "ended": "exit 1"}
    assert goals.missed(list(train_published.goals([result])))
    assert not list(train_published.goals([{**result, "ended": "left out"}]))


def test_rounds_are_held_against_all_that_lightgbm_does_itself() -> None:
    own = [Stopped(100, 2.0), Stopped(80, 2.1), Stopped(130, 1.9)]
    found = train_stopping._line("x", "millrace, 2 workers", Stopped(145, 2.02), own)
    assert (found["rounds apart"], found["rounds outside"]) == (45, 15)
    asked = train_stopping.goals([found, {"way": "LightGBM"}], 20)
    assert [goal.met for goal in asked] == [False, True]
    lost = train_stopping._line("x", "millrace, 3 workers", None, own)
    assert goals.missed(train_stopping.goals([lost], 20))


def test_a_peer_without_its_libraries_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "missing", lambda name, _: ["x"] if name == "pandas" else [])
    options = SimpleNamespace(contestants=["millrace", "pandas"], python="python")
    assert train._present(options) == ["millrace"]
    assert "pandas: left out, python has no x" in capsys.readouterr().out
