"""The memory of estimators: what is told of it, and that real trainings keep to their plans."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from estimators_memory import cluster, goals, markdown, run
from estimators_shapes import CASES, Case, table

HELD: dict[str, Any] = {"estimator": "e", "shape": "s", "ended": "under the plan"}
HELD |= {"prepare MB": 5.0, "prepare planned": 10.0, "prepare ratio": 0.5}
HELD |= {"train MB": 9.0, "train planned": 10.0, "train ratio": 0.9}
OVER = HELD | {"train MB": 12.0, "train ratio": 1.2, "ended": "over in train"}


def test_a_peak_over_its_plan_is_missed_and_printed_bold() -> None:
    assert all(goal.met for goal in goals([HELD]))
    assert [goal.met for goal in goals([HELD, OVER])] == [False, True, False, True]
    assert goals([HELD, {"ended": "failed: x"}])[-1].met is False
    _, _, held, over = markdown([HELD, OVER])
    assert held == "| `e` | s | 5 of 10 (0.50) | 9 of 10 (0.90) | - | - |"
    assert "**12 of 10 (1.20)**" in over


def test_the_same_shape_gives_the_same_bytes(tmp_path: Path) -> None:
    case = Case("sklearn.SVC", "multiclass", 2_500, 3, 4)
    first, second = (table(case, tmp_path / name) / "rows.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.long
def test_trainings_keep_to_their_plans_on_workers_that_live_on(tmp_path: Path) -> None:
    names = ("RandomForestRegressor", "KNeighborsClassifier", "GaussianMixture", "HDBSCAN", "PCA")
    options = Namespace(cache=tmp_path, fresh=False)
    wanted = [
        replace(case, rows=case.rows // 10)
        for way in CASES.values()
        for case in way
        if case.estimator.partition(".")[2] in names
    ]
    with cluster(options) as section:
        found = [run(case, section, options) for case in wanted]
    assert {one["ended"] for one in found} == {"under the plan"}
