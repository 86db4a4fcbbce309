"""What the report reads out of a bundle's metrics, of any age; metrics.json."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.report.measured import quality
from jobs.report.numbers import encoded, finite, numbers
from jobs.report.outcome import Report
from jobs.report.quality import Residuals
from jobs.report.residuals import grouped
from jobs.report.write import render
from tests.jobs.report.test_write import WHEN, full

TOLD: dict[str, Any] = {
    "results": {
        "train": {"auc": 0.9, "rows": 100},
        "test": {"auc": 0.7, "rows": 40, "positives": 10},
        "baseline_test": {"auc": 0.5},
    },
    "baselines": {"linear": {"test": {"auc": 0.65}}},
    "uncalibrated": {"test": {"log_loss": 0.8}},
    "ranked": {"test": {"share": [0.5, 1.0], "precision": [0.4, 0.25], "recall": [0.8, 1.0]}},
    "decided": {"test": [[25, 5], [4, 6]]},
    "calibration": {"test": [[20, 0.12, 0.1], [10, 0.52, 0.4], [10, 0.97, 0.4]]},
    "threshold": {"at": 0.37, "by": "f_beta", "beta": 2.0, "value": 0.6},
    "slices": [
        {"by": "region", "value": "isles", "results": {"test": {"auc": 0.6, "rows": 9}}},
        {"by": "region", "value": "north", "results": {"train": {"auc": 0.8, "rows": 9}}},
    ],
    "warnings": ["the model is much worse on test rows with region = isles: auc 0.6 on 9 rows"],
    "cross_validation": {"by": "stratified", "repeats": 2, "folds": [{"fold": 1, "auc": 0.7}]},
}


def test_what_an_evaluation_tells_is_shown() -> None:
    found = quality(TOLD, (), "binary")
    assert list(found.results) == ["train", "test"] and found.furthest == "test"
    assert found.baselines == {"linear": {"test": {"auc": 0.65}}}
    assert (found.gain["test"].across, found.gain["test"].up) == ([0.5, 1.0], [0.8, 1.0])
    assert (found.pr["test"].across, found.pr["test"].up) == ([0.8, 1.0], [0.4, 0.25])
    assert found.labels == ["negative", "positive"] and found.confusion == [[25, 5], [4, 6]]
    assert (found.threshold, found.threshold_by) == (0.37, "the best F2 of the validation rows")
    assert [(one.value, one.part, one.worse) for one in found.slices] == [
        ("isles", "test", True),
        ("north", "train", False),
    ]
    assert found.cross_validation is not None
    assert found.cross_validation.about == "folds stratified, 2 times over"
    html = render(Report("j", "1", WHEN, task="binary", quality=found))
    assert "0.80000" in html  # before calibration


def test_thresholds_at_the_edges_of_bins_are_counted() -> None:
    found = quality(TOLD, (), "binary").thresholds["test"]
    assert list(found.threshold) == [0.1, 0.5, 0.95]
    assert found.by_metric["recall"] == pytest.approx([1.0, 0.8, 0.4])
    assert found.by_metric["precision"] == pytest.approx([0.25, 0.4, 0.4])
    assert found.by_metric["f1"] == pytest.approx([0.4, 8 / 15, 0.4])


def test_older_bundles_have_one_baseline_and_no_threshold() -> None:
    found = quality({"results": TOLD["results"]}, (), "binary")
    assert found.baselines == {"baseline": {"test": {"auc": 0.5}}} and found.threshold == 0.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({*TOLD, "roc", "residuals", "intervals"})), JSON))
def test_no_json_is_too_odd_to_be_read(told: dict[str, Any]) -> None:
    assert quality(told, (), "binary").threshold is not None


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=64))
def test_groups_of_residuals_hold_every_row(rows: list[int]) -> None:
    starts = [float(at) for at in range(len(rows))]
    cells = [(at, at % 2, count) for at, count in enumerate(rows)]
    groups = list(grouped(Residuals(starts, [-1.0, 0.0], 1.0, 1.0, cells)))
    assert sum(one.rows for one in groups) == sum(rows)
    assert 1 <= len(groups) <= 10
    means = [one.predicted / one.rows for one in groups]
    assert means == sorted(means)


def test_like_rows_make_ten_groups() -> None:
    cells = [(at, 0, 7) for at in range(40)]
    found = Residuals([float(at) for at in range(40)], [0.0], 1.0, 1.0, cells)
    assert [one.rows for one in grouped(found)] == [28] * 10


def test_numbers_have_no_nan_and_keep_their_names() -> None:
    odd = {"results": {"test": {"auc": float("nan"), "log_loss": float("inf"), "rows": 3}}}
    told = json.loads(encoded(numbers(full(), odd)))
    assert told["metrics"]["results"]["test"] == {"auc": None, "log_loss": None, "rows": 3}
    assert set(told) == {
        *("format", "job", "run", "started", "seconds", "task", "metric"),
        *("data", "memory", "ledger", "model", "metrics"),
    }
    assert told["started"] == WHEN.isoformat() and told["ledger"]["missing"] == 0
    assert told["memory"]["flights"] == {
        "projected": 300 << 20,
        "measured": 250 << 20,
        "limit": 512 << 20,
    }
    assert "job" not in told["model"]  # the job file is a file of its own


def test_a_run_without_a_training_has_numbers_too() -> None:
    told = numbers(replace(Report("j", "1", WHEN)), {})
    assert told["data"] is None and told["ledger"] is None and told["metrics"] == {}
    assert finite((float("-inf"), 1)) == [None, 1]
