"""What a section may say of folds, and what it is told when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from jobs.spec.folds import FoldsSpec


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"by": "stratified", "count": 5, "repeats": 2},
        {"by": "stratified", "column": "state"},
        {"by": "group", "columns": ["user", "day"]},
        {"by": "time", "gap": "7d", "window": "rolling"},
        {"by": "time", "gap": 7, "column": "year"},
    ],
)
def test_folds_are_taken_and_told_again(given: dict[str, Any]) -> None:
    spec = FoldsSpec(**given)
    assert FoldsSpec(**spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"count": 1}, "greater than or equal to 2"),
        ({"by": "kfold"}, "by"),
        ({"column": "x"}, 'does not go with by = "random"'),
        ({"by": "stratified", "columns": ["x"]}, 'it is for "group"'),
        ({"by": "group"}, 'is required with by = "group"'),
        ({"by": "group", "column": "x", "columns": ["y"]}, "name all of them here"),
        ({"by": "time", "repeats": 2}, "windows are the same every time"),
        ({"by": "group", "column": "x", "gap": "7d"}, 'is for by = "time", and this is "group"'),
        ({"by": "time", "gap": "seven days"}, "should be a time span"),
        ({"by": "time", "gap": -1}, "should be 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        FoldsSpec(**given)
