"""The table that ``millrace profile`` prints: complete, narrow, and safe to print."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from jobs.profile.figures import (
    brief,
    distinct,
    moment,
    percent,
    sparkline,
    strength,
    unaccounted,
)
from jobs.profile.text import COLUMNS_SHOWN, profile_text
from tests.jobs.profiles import profile_of, sample


@pytest.fixture(scope="module")
def flights() -> dict[str, Any]:
    return profile_of(sample(), "late")


def row(text: str, name: str) -> list[str]:
    (line,) = (
        line for line in text.splitlines() if line.split()[:1] == [name] and "AUC" not in line
    )
    return line.split()


def test_a_row_holds_the_figures_of_its_column(flights: dict[str, Any]) -> None:
    text, frame = profile_text(flights), sample()
    assert "4,000 rows, 12 columns (8 numbers" in text
    gate = row(text, "gate")
    assert gate[1] == "int64" and gate[3:] == [
        "39",
        "1",
        "20",
        brief(frame["gate"].mean()),
        "39",
        gate[-1],
    ]
    assert gate[2] == f"{100 * frame['gate'].null_count() / 4000:.1f}%"
    assert row(text, "departed")[4].startswith("2008-01-01")
    assert row(text, "tail")[3] == "~4000"


def test_suspects_come_first(flights: dict[str, Any]) -> None:
    suspects = [
        {"column": "delay", "kind": "leakage", "what": "decides the target", "measure": 1.0},
        {"column": "year", "kind": "constant", "what": "one value", "measure": None},
    ]
    text = profile_text({**flights, "suspects": suspects, "warnings": ["mind the gap"]})
    places = [
        text.index(word) for word in ("decides the target", "one value", "mind", "target late")
    ]
    assert places == sorted(places)
    assert row(text, "year")[-1] == "constant" and row(text, "delay")[-1] == "leakage"


def test_the_strongest_features_are_named_with_their_reason(flights: dict[str, Any]) -> None:
    lines = [line for line in profile_text(flights).splitlines() if "AUC" in line]
    assert lines[0].split()[0] == "delay" and "! alone it tells the target apart" in lines[0]
    assert lines[-1].split()[0] == "year" and "█" not in lines[-1]


def test_the_ledger_is_added_up(flights: dict[str, Any]) -> None:
    assert "rows 4,090 = good 4,000 + quarantined 80 + filtered 10" in profile_text(flights)
    lost = {**flights, "ledger": {**flights["ledger"], "good": 3000}}
    assert "rows 4,090 != good 3,000" in profile_text(lost)
    assert "NOT BALANCED: 1,000 rows are unaccounted for" in profile_text(lost)
    assert unaccounted(lost["ledger"]) == 1000


def test_of_a_wide_table_the_first_columns_are_shown(flights: dict[str, Any]) -> None:
    columns = [{**flights["columns"][0], "name": f"c{i}"} for i in range(10_000)]
    text = profile_text({**flights, "columns": columns})
    assert f"c{COLUMNS_SHOWN - 1} " in text and f"c{COLUMNS_SHOWN} " not in text
    assert "9,950 more columns are in profile.json" in text


@pytest.mark.parametrize("width", [100, 118])
def test_no_line_is_wider_than_asked(flights: dict[str, Any], width: int) -> None:
    long = "very_long_name_of_a_column_" * 20
    column = {**flights["columns"][0], "name": long, "notes": [long], "type": "datetime"}
    found = {"column": long, "kind": "missing", "what": long, "measure": None}
    text = profile_text({**flights, "columns": [column], "suspects": [found]}, width)
    assert max(map(cell_len, text.splitlines())) <= width


@given(st.text(min_size=1))
def test_names_cannot_speak_to_the_terminal(name: str) -> None:
    evil = f"[red]{name}\x1b[2J\n"
    profile = profile_of(pl.DataFrame({evil: [1, 2]}), name=evil)
    profile["warnings"] = [evil]
    text = profile_text(profile)
    assert "[red]" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_an_empty_table_has_a_profile() -> None:
    text = profile_text(profile_of(pl.DataFrame(schema={"a": pl.Int64})))
    assert "0 rows, 1 column" in text and row(text, "a")[3] == "0"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (brief(None), "\u2013"),
        (brief(0.0), "0"),
        (brief(2008), "2008"),
        (brief(12_345), "12,345"),
        (brief(9_999_999.5), "10,000,000"),
        (brief(123_456_789), "1.235e+08"),
        (brief(-1.23456e-5), "-1.23e-05"),
        (brief(3.14159), "3.142"),
        (percent(0.0004), "<0.1%"),
        (percent(0.9999), ">99.9%"),
        (percent(1.0), "100%"),
        (sparkline([]), ""),
        (sparkline([0, 0]), "  "),
        (sparkline([0, 1, 1000]), " ▁█"),
        (sparkline([1] * 24, 12), "█" * 12),
        (moment("2008-01-03T00:00:00"), "2008-01-03"),
        (moment("2008-01-03T19:55:01.25"), "2008-01-03 19:55:01"),
        (distinct({"distinct": 5000, "distinct_exact": False}), "~5000"),
        (strength({"measure": "auc", "value": 0.1}), 0.9),
        (strength({"measure": "correlation", "value": -0.5}), 0.25),
    ],
)
def test_figures_read_well(said: object, expected: object) -> None:
    assert said == expected


@given(st.floats(-1e300, 1e300))
def test_a_number_is_short(value: float) -> None:
    assert len(brief(value)) <= 11
    assert float(brief(value).replace(",", "")) == pytest.approx(value, rel=6e-3)
