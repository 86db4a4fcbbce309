"""Whether the expressions of label, weight and first score fit the types of the data."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from engine.errors import SpecError
from engine.expression import columns_of, result_type, sees_other_rows, sql
from engine.features.numeric import is_number
from engine.schema import type_name
from engine.training.preparing import TrainingData
from engine.vectors import VectorColumns

Types = Mapping[str, pl.DataType]


def assert_label(data: TrainingData, types: Types, section: str) -> None:
    """Refuse a label that the task cannot be learned from.

    Args:
        data: Its label, task and classes.
        types: Types of all columns, derived ones too.
        section: Where the label stands in the job file.

    Raises:
        SpecError: The label's type does not fit, or it looks at other rows.
    """
    if data.target is None:
        return
    key = f"{section}.target"
    kind = _row_type(data.target, types, key)
    if data.task is None or is_number(kind):
        return
    where = f"{key} = {data.target!r}, {type_name(kind)}"
    is_text = isinstance(kind, pl.String | pl.Categorical | pl.Enum)
    if data.task == "multiclass" or data.classes:
        if not is_text:
            what = "classes are texts, truth values or whole numbers"
            raise SpecError(what, where=where, hint='cast it: "cast(x as varchar)"')
    elif data.task == "binary" and is_text:
        raise SpecError(
            "the label is a text, not 0 or 1",
            where=where,
            hint='name its two values, the positive one last: classes = ["no", "yes"]',
        )
    else:
        hint = "give an expression that is a number"
        raise SpecError(f"task = {data.task!r} learns numbers", where=where, hint=hint)


def assert_value(text: str, types: Types, key: str) -> None:
    """Refuse an expression whose values cannot be told apart as text, or that sees other rows.

    Raises:
        SpecError: It is so, or it does not fit the columns.
    """
    kind = _row_type(text, types, key)
    if kind.is_nested() or kind == pl.Binary:
        raise SpecError(
            f"rows are sliced by a value, and this is {type_name(kind)}",
            where=f"{key} = {text!r}",
            hint="make a number or a text of it",
        )


def assert_number(text: str, types: Types, key: str) -> None:
    """Refuse an expression that is no number, or looks at other rows.

    Raises:
        SpecError: It is so, or it does not fit the columns.
    """
    kind = _row_type(text, types, key)
    if not is_number(kind):
        where = f"{key} = {text!r}"
        hint = "give an expression that is one"
        raise SpecError(f"this is {type_name(kind)}, not a number", where=where, hint=hint)


def columns_alone(vectors: VectorColumns) -> list[str]:
    """Return the columns that are weights, first scores or queries as they are."""
    names = [vectors.query] if vectors.query else []
    for text, key in vectors.expressions:
        names += [n for n in columns_of(text, key) if sql(text, key).meta == pl.col(n)]
    return names


def _row_type(text: str, types: Types, key: str) -> pl.DataType:
    kind = result_type(text, types, key)
    if sees_other_rows(sql(text, key)):
        raise SpecError(
            "this looks at other rows than its own",
            where=f"{key} = {text!r}",
            hint="leave out sums, counts, row numbers and OVER",
        )
    return kind
