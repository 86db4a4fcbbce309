"""Labels become codes of classes by their value, whatever their type."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from engine.classes import (
    MOST_CLASSES,
    Class,
    assert_few,
    balanced,
    classes_of,
    codes,
    ordered,
    text_of,
    weights_by_class,
)
from engine.errors import ContractRefused, SpecError


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        (pl.Series(["b", None, "a", "b"]), ("a", "b")),
        (pl.Series([True, None, False, True]), (False, True)),
        (pl.Series([7, None, -2, 7], dtype=pl.Int16), (-2, 7)),
        (pl.Series([10.0, None, 9.0, 10.0]), (9, 10)),
        (pl.Series([10.0, float("nan"), 9.0, 10.0], dtype=pl.Float32), (9, 10)),
        (pl.Series(["b", None, "a", "b"], dtype=pl.Categorical), ("a", "b")),
        (pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["b", "a"])), ("a", "b")),
        (pl.Series(["2.0", None, "1.0", "2.0"]).cast(pl.Decimal(9, 2)), (1, 2)),
        (pl.Series([2**62, None, 2**61, 2**62], dtype=pl.UInt64), (2**61, 2**62)),
    ],
)
def test_classes_are_found_sorted_and_coded(label: pl.Series, classes: tuple[Class, ...]) -> None:
    found = ordered(classes_of(label))
    assert found == classes and [type(one) for one in found] == [type(one) for one in classes]
    coded = codes(label, found, "here")
    assert coded.dtype == pl.Float32 and coded.to_list() == [1.0, None, 0.0, 1.0]


@given(st.lists(st.text(max_size=4), min_size=2, unique=True), st.data())
def test_codes_lead_back_to_labels(values: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.sampled_from(values)))
    coded = codes(pl.Series(rows, dtype=pl.String), values, "here")
    assert [values[int(code)] for code in coded] == rows


def test_classes_of_a_job_file_may_be_written_as_text() -> None:
    assert codes(pl.Series([2, 1]), ("1", "2"), "here").to_list() == [1.0, 0.0]
    assert [text_of(value) for value in (True, 3, "x")] == ["true", "3", "x"]


def test_a_label_that_is_no_class_is_refused_with_its_count() -> None:
    with pytest.raises(
        ContractRefused, match="3 labels are none of the classes 'a', 'b': 'x', 'y'"
    ) as e:
        codes(pl.Series(["a", "x", "y", "x", None]), ("a", "b"), "f.parquet")
    assert "f.parquet" in str(e.value)


def test_fractions_single_values_and_crowds_are_no_classes() -> None:
    with pytest.raises(ContractRefused, match=r"1\.5"):
        classes_of(pl.Series([1.0, 1.5]))
    with pytest.raises(ContractRefused, match="single value, 'a'"):
        ordered({"a"})
    with pytest.raises(ContractRefused, match="no row has a label"):
        ordered(set())
    assert_few(MOST_CLASSES)
    with pytest.raises(ContractRefused, match="over 1,000"):
        classes_of(pl.Series(range(MOST_CLASSES + 1)))


@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_balanced_weights_are_those_of_scikit_learn(counts: list[int]) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=y)
    np.testing.assert_allclose(balanced(counts), expected)


def test_a_class_without_rows_does_not_weigh_on_the_others() -> None:
    assert balanced([10, 0, 30]) == (2.0, 1.0, pytest.approx(2 / 3))


def test_weights_by_class() -> None:
    assert weights_by_class({"b": 2.5}, ("a", "b")) == (1.0, 2.5)
    assert weights_by_class({"1": 3}, (0, 1)) == (1.0, 3)
    with pytest.raises(SpecError, match="'c' is none of the classes 'a', 'b'"):
        weights_by_class({"c": 1}, ("a", "b"))
