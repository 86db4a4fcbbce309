"""A written contract says what it was given, whatever the columns are called."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.spec.contract_toml import contract_toml

# A surrogate alone is no character: no column of an Arrow table can be called that.
NAMES = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "'", "a.b", "", "\x7f", "\\", "line\nbreak", "größe", "日付", "]", "# no", "\u2028", "1"]
)
SCALARS = NAMES | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("float64"),
        "min": SCALARS,
        "nulls": st.floats(0, 1),
        "values": st.lists(SCALARS, min_size=1),
        "unique": st.booleans(),
    },
)


@given(NAMES, st.dictionaries(NAMES, RULES))
def test_toml_reads_back_what_was_written(name: str, rules: dict[str, dict[str, object]]) -> None:
    read = tomllib.loads(contract_toml(name, rules))["data"][name]["contract"]
    assert read == rules
    assert list(read) == list(rules)


def test_every_column_has_its_line() -> None:
    rules = {
        "fare": {"type": "float64", "min": 0.5, "max": 1e300, "nulls": 0},
        "my col": {"values": ("a", 'b"')},
        "any": {},
    }
    assert contract_toml("flights", rules) == (
        "[data.flights.contract]\n"
        'fare = { type = "float64", min = 0.5, max = 1e+300, nulls = 0 }\n'
        '"my col" = { values = ["a", "b\\""] }\n'
        "any = {}\n"
    )


def test_times_are_iso_text_and_none_is_left_out() -> None:
    rule = {"min": date(2008, 1, 1), "max": datetime(2009, 1, 1, 5, tzinfo=UTC), "values": None}
    read = tomllib.loads(contract_toml("d", {"at": rule}))["data"]["d"]["contract"]["at"]
    assert read == {"min": "2008-01-01", "max": "2009-01-01T05:00:00+00:00"}


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="no place in a contract"):
        contract_toml("d", {"c": {"min": object()}})
