"""Estimators trained by job files on real sets are worth what they are worth in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("dask_ml")
from estimators import BEGIN, END, PAGE, Case, Outcome, cases, outcome, table, written

from engine.learners import CATALOGUE

BRIEF = ("dask_ml.GaussianNB",)
"""Those of `make test`; all others are `make bench-estimators`, or `make test-long`."""


def named(case: Case) -> str:
    return f"{case.estimator} {case.note}".strip()


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=named(case), marks=() if named(case) in BRIEF else pytest.mark.long)
        for case in cases()
    ],
)
def test_out_of_core_is_worth_what_in_memory_is(case: Case, data_dir: Path, tmp_path: Path) -> None:
    found = outcome(case, data_dir, tmp_path)
    assert found.holds, f"{found.out_of_core} and {found.in_memory}"


def test_every_estimator_of_the_catalogue_has_a_case() -> None:
    assert {case.estimator for case in cases()} == set(CATALOGUE)


def test_no_two_cases_are_called_the_same() -> None:
    names = [(named(case), case.data) for case in cases()]
    assert len(names) == len(set(names))


def test_the_page_has_a_line_for_every_estimator() -> None:
    written_out = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert {name for name in CATALOGUE if f"| `{name}`" not in written_out} == set()


def _outcome(out_of_core: float, in_memory: float = 10.0) -> Outcome:
    def rows(_: Path) -> pl.DataFrame:
        return pl.DataFrame()

    case = Case("one", "set", rows, "rmse", lambda *_: np.nan, 0.1, "why")
    return Outcome(case, out_of_core, in_memory)


def test_tolerance_is_a_share_of_the_metric_in_memory() -> None:
    assert _outcome(10.9).holds
    assert not _outcome(11.1).holds
    assert not _outcome(float("nan")).holds


def test_what_is_out_of_tolerance_stands_out_in_the_table() -> None:
    *_, within, beyond = table([_outcome(10.5), _outcome(12.0)])
    assert "| 5.0e-02 | 0.1 | why |" in within
    assert "| **2.0e-01** | 0.1 | why |" in beyond


def test_the_table_takes_the_place_of_the_one_before() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = written(page, ["new"])
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert written(once, ["new"]) == once
    with pytest.raises(ValueError, match="the page has no"):
        written("no markers", [])
