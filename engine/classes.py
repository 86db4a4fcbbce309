"""The classes of a label: what values they have, in which order, and the codes of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import polars as pl

from engine.errors import ContractRefused, SpecError

Class: TypeAlias = str | bool | int
"""A value of a label, as a job file or a bundle has it."""

MOST_CLASSES = 1_000
"""Classes that a model may have; each of them is a tree a round."""

_TOLD = 5
"""Values that an error lists."""


def as_text(values: pl.Series) -> pl.Series:
    """Return values as the text that classes are compared by; a missing one stays null.

    Whole numbers are alike whatever their type: 2, 2.0 and "2" are one class.

    Args:
        values: Of any type.
    """
    if values.dtype.is_decimal():
        values = values.cast(pl.Float64)
    if not values.dtype.is_float():
        return values.cast(pl.String)
    values = values.fill_nan(None)
    whole = values.cast(pl.Int64, strict=False)
    is_whole = (whole.cast(values.dtype) == values).fill_null(False)
    return whole.cast(pl.String).zip_with(is_whole, values.cast(pl.String))


def text_of(value: Class | float) -> str:
    """Return the text that a class of a job file is compared by."""
    return str(as_text(pl.Series([value]))[0])


def codes(label: pl.Series, classes: Sequence[Class], place: str) -> pl.Series:
    """Return the position of each row's class, float32; null where the label is missing.

    Args:
        label: Values of the label.
        classes: The classes in order.
        place: Where the rows are, for the error message.

    Raises:
        ContractRefused: Some labels are none of the classes.
    """
    texts = as_text(label)
    positions = {text_of(value): float(code) for code, value in enumerate(classes)}
    found = texts.replace_strict(positions, default=None, return_dtype=pl.Float32)
    strange = texts.filter(found.is_null() & texts.is_not_null())
    if strange.len():
        _refuse_strange(strange, classes, place)
    return found


def _refuse_strange(strange: pl.Series, classes: Sequence[Class], place: str) -> None:
    known = listed(map(text_of, classes))
    raise ContractRefused(
        f"{strange.len():,} labels are none of the classes {known}: "
        f"{listed(strange.unique().sort())}",
        where=f"train.target, {place}",
        hint="add them to train.classes, or filter these rows with `where`",
    )


def classes_of(label: pl.Series) -> set[Class]:
    """Return the distinct values of a label.

    Raises:
        ContractRefused: There are more than `MOST_CLASSES`, or numbers that are not whole.
    """
    texts = as_text(label).drop_nulls().unique()
    assert_few(texts.len())
    if label.dtype == pl.Boolean:
        return {text == "true" for text in texts}
    if label.dtype.is_numeric():
        return {_whole(text) for text in texts}
    return set(texts)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ContractRefused(
            f"the label {text} is a number with a fraction, and no class",
            where="train.target",
            hint='use task = "regression", or make classes of it: "floor(x)"',
        ) from None


def assert_few(count: int) -> None:
    """Refuse more classes than a model can have.

    Raises:
        ContractRefused: There are more than `MOST_CLASSES`.
    """
    if count > MOST_CLASSES:
        raise ContractRefused(
            f"the label has over {MOST_CLASSES:,} different values",
            where="train.target",
            hint='use task = "regression" for numbers; put rare classes together for the rest',
        )


def ordered(values: Iterable[Class]) -> tuple[Class, ...]:
    """Return classes sorted: numbers by size, text by its bytes.

    Raises:
        ContractRefused: There are fewer than two.
    """
    classes = tuple(sorted(values))
    if len(classes) < 2:
        what = f"the label has a single value, {listed(map(text_of, classes))}"
        if not classes:
            what = "no row has a label"
        raise ContractRefused(what, where="train.target", hint="look at the target and `where`")
    return classes


def weights_by_class(
    given: dict[str, float], classes: Sequence[Class], where: str = "train.class_weight"
) -> tuple[float, ...]:
    """Return the weight of each class; 1 where none is given.

    Args:
        given: Weights by class.
        classes: The classes in order.
        where: The key in the job file, for the error message.

    Raises:
        SpecError: A class is not known.
    """
    by_text = {text_of(label): weight for label, weight in given.items()}
    texts = [text_of(value) for value in classes]
    if strange := [text for text in by_text if text not in texts]:
        what = f"{listed(strange)} is none of the classes {listed(texts)}"
        raise SpecError(what, where=where, hint="name classes as the label has them")
    return tuple(by_text.get(text, 1.0) for text in texts)


def balanced(counts: Sequence[int]) -> tuple[float, ...]:
    """Return weights that make all classes count alike: ``rows / (classes * rows of the class)``.

    Source: scikit-learn, ``compute_class_weight("balanced")``. A class without rows counts as none.

    Args:
        counts: Training rows of each class.
    """
    present = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (present * count) if count else 1.0 for count in counts)


def listed(values: Iterable[object]) -> str:
    """Return values for a message, the first few of them."""
    texts = [repr(str(value)) for value in values]
    return ", ".join(texts[:_TOLD]) + (f" and {len(texts) - _TOLD:,} more" * (len(texts) > _TOLD))
