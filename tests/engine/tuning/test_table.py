from __future__ import annotations

import json

import polars as pl
import pytest

from engine.tuning import table
from engine.tuning.history import Record
from engine.tuning.space import Choice, Range
from engine.tuning.table import Found

KINDS = (True, "dart", 3)
SPACE = {"strong": Range(0.0, 1.0), "weak": Range(0.0, 1.0), "kind": Choice(KINDS)}


def found(higher: bool = False) -> Found:
    records = [
        Record(
            number,
            {
                "strong": number / 20,
                "weak": number * 7 % 20 / 20,
                "kind": (True, "dart", 3)[number % 3],
            },
            "done",
            3 * number / 20 + 0.1 * (number * 7 % 20) / 20,
            2,
            (0.1, 0.2),
            (1, 2),
            (9.0, 1.0),
            1.5,
        )
        for number in range(20)
    ]
    failed = Record(20, {"strong": 0.5, "weak": 0.5, "kind": 3}, "failed", reason="no luck")
    return Found("random", "log_loss", higher, 2, SPACE, [*records, failed])


def test_the_best_value_so_far_never_becomes_worse() -> None:
    values = [0.3, None, 0.5, 0.1, 0.4]
    records = [Record(n, {}, "failed" if v is None else "done", v) for n, v in enumerate(values)]
    up, down = (Found("grid", "auc", higher, 0, {}, records) for higher in (True, False))
    assert up.best_so_far() == [0.3, 0.3, 0.5, 0.5, 0.5]
    assert down.best_so_far() == [0.3, 0.3, 0.3, 0.1, 0.1]
    assert Found("grid", "auc", True, 0, {}, records[1:]).best_so_far()[0] is None
    assert (up.best.number, down.best.number) == (2, 3)


def test_all_trials_are_told_in_plain_json() -> None:
    told = found().told()
    assert json.loads(json.dumps(told, allow_nan=False)) == json.loads(json.dumps(told))
    assert told["states"] == {"done": 20, "pruned": 0, "failed": 1}
    assert told["best"] == 0 and told["params"]["strong"] == 0.0
    assert told["trials"][20]["reason"] == "no luck" and told["trials"][20]["value"] is None
    assert told["trials"][3]["trained"] == 2 and "values" not in told["trials"][3]


def test_the_parameter_that_moves_the_value_is_the_important_one() -> None:
    shares = found().importance()
    assert next(iter(shares)) == "strong"
    assert shares["strong"] > 5 * shares["weak"]
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_is_left_out_where_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found()
    few = Found("random", "log_loss", False, 2, SPACE, whole.records[:7])
    assert few.importance() == {}
    same = [Record(n, dict(one.params), "done", 1.0) for n, one in enumerate(whole.records)]
    assert Found("random", "log_loss", False, 2, SPACE, same).importance() == {}
    monkeypatch.setattr(table, "find_spec", lambda name: None)
    assert whole.importance() == {}


def test_the_table_has_a_row_a_trial() -> None:
    rows = found().table()
    assert rows.height == 21
    assert rows["params.kind"].to_list()[:3] == ["True", "dart", "3"]
    assert rows.schema["params.strong"] == pl.Float64
    assert rows["value"].null_count() == 1
