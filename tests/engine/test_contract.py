"""A row that breaks the contract is set aside with the reason; no other row is."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import REASON, Contract, Rule
from engine.errors import ContractRefused, SpecError

TEXT = {"age": pl.String(), "city": pl.String()}


def _check(rules: dict[str, Rule], frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    contract = Contract(rules)
    return contract.checked(frame, contract.schema(frame.schema, text=True))


def test_each_rule_gives_its_reason_with_the_value() -> None:
    frame = pl.DataFrame({"age": ["30", "x", "-1", "200", None], "city": ["a", "a", "b", "c", "a"]})
    rules = {
        "age": Rule("int32", min=0, max=120, nulls=0),
        "city": Rule(values=("a", "b")),
    }
    good, bad = _check(rules, frame)
    assert good["age"].to_list() == [30]
    assert good["age"].dtype == pl.Int32
    assert bad[REASON].to_list() == [
        "age = x is not int32; age is missing",
        "age = -1 is under min 0",
        "age = 200 is over max 120; city = c is not an allowed value",
        "age is missing",
    ]


@given(ages=st.lists(st.one_of(st.none(), st.integers(-300, 300), st.just("?")), max_size=60))
def test_good_and_bad_rows_are_all_rows(ages: list[int | str | None]) -> None:
    frame = pl.DataFrame({"age": [None if a is None else str(a) for a in ages]}, schema=["age"])
    frame = frame.cast(pl.String)
    good, bad = _check({"age": Rule("int16", min=0, max=100)}, frame)
    fits = [a is None or (isinstance(a, int) and 0 <= a <= 100) for a in ages]
    assert good.height == sum(fits)
    assert good.height + bad.height == len(ages)


def test_nan_is_a_missing_value_and_infinity_is_out_of_range() -> None:
    frame = pl.DataFrame({"x": [1.0, math.nan, math.inf]})
    good, bad = _check({"x": Rule("float32", min=0)}, frame)
    assert good["x"].to_list() == [1.0, None]
    assert bad[REASON].to_list() == ["x = inf is not finite"]


def test_a_value_that_does_not_fit_a_smaller_integer_is_set_aside() -> None:
    good, bad = _check({"n": Rule("int8")}, pl.DataFrame({"n": [1, 1000]}))
    assert good["n"].to_list() == [1]
    assert bad[REASON].to_list() == ["n = 1000 is not int8"]


def test_a_type_that_could_lose_values_is_refused() -> None:
    with pytest.raises(SpecError, match="not always a int32"):
        Contract({"x": Rule("int32")}).schema({"x": pl.Float64()}, text=False)


def test_unknown_columns_and_types_get_a_suggestion() -> None:
    with pytest.raises(SpecError) as column:
        Contract({"aeg": Rule()}).schema(TEXT, text=True)
    assert column.value.hint == "did you mean 'age'?"
    with pytest.raises(SpecError) as kind:
        Contract({"age": Rule("flaot32")}).schema(TEXT, text=True)
    assert kind.value.hint == "did you mean 'float32'?"


def test_a_range_needs_numbers() -> None:
    with pytest.raises(SpecError, match="need numbers"):
        Contract({"city": Rule(min=1)}).schema(TEXT, text=True)


def test_the_share_of_missing_values_is_a_gate() -> None:
    contract = Contract({"x": Rule(nulls=0.1)}, "history")
    contract.gate({"x": 10}, 100)
    with pytest.raises(ContractRefused) as caught:
        contract.gate({"x": 11}, 100)
    assert caught.value.exit_code == 3
    assert caught.value.where == "data.history.contract.x.nulls"


def test_booleans_and_times_are_read_from_text() -> None:
    frame = pl.DataFrame({"b": ["yes", "0", "maybe"], "t": ["2024-01-02 03:04:05"] * 3})
    good, bad = _check({"b": Rule("bool"), "t": Rule("datetime")}, frame)
    assert good["b"].to_list() == [True, False]
    assert good["t"].dtype == pl.Datetime("us")
    assert bad[REASON].to_list() == ["b = maybe is not bool"]
