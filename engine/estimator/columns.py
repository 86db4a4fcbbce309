"""Which columns of a table are features, what each of them holds, and rows of them as matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.estimator.refusal import Unfit
from engine.features.codes import codes, text
from engine.schema import require, type_name

Kind = Literal["number", "code", "level"]
"""A number; a category that is its own code; a category whose code is its place among levels."""

Levels = Mapping[int, Sequence[str]]
"""Texts in the order of their codes, by position of the feature."""

Categorical = Literal["auto"] | Sequence[str | int]
"""``categorical_feature``: names or positions; ``auto``: those whose type says it."""

_CATEGORY = (pl.Categorical, pl.Enum)


@dataclass(frozen=True)
class Columns:
    """The features of a table.

    Attributes:
        names: In the order of the matrix.
        kinds: What each of them holds.
        named: Whether rows come with these names; the columns of an array have none.
        types: In the table of the fit.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    named: bool
    types: tuple[pl.DataType, ...] = field(compare=False)

    @classmethod
    def of_frame(cls, types: Mapping[str, pl.DataType], categorical: Categorical) -> Columns:
        """Return the features of a frame: all of these columns.

        Args:
            types: Type of each.
            categorical: Those that are categories although their type does not say it.

        Raises:
            Unfit: A column holds what is neither a number nor a category.
        """
        names = tuple(types)
        chosen = _positions(categorical, names)
        kinds = (_kind(name, types[name], i in chosen) for i, name in enumerate(names))
        return cls(names, tuple(kinds), True, tuple(types.values()))

    @classmethod
    def of_array(cls, width: int, categorical: Categorical) -> Columns:
        """Return the features of an array with so many columns."""
        names = tuple(f"Column_{i}" for i in range(width))  # LightGBM's own names
        chosen = _positions(categorical, names)
        kinds = tuple[Kind, ...]("code" if i in chosen else "number" for i in range(width))
        return cls(names, kinds, False, (pl.Float64(),) * width)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the features that hold codes."""
        return tuple(i for i, kind in enumerate(self.kinds) if kind != "number")

    @property
    def levelled(self) -> tuple[int, ...]:
        """Positions of the features whose codes are places among levels."""
        return tuple(i for i, kind in enumerate(self.kinds) if kind == "level")

    def assert_in(self, types: Mapping[str, pl.DataType], where: str) -> None:
        """Refuse a frame without these columns, or with text where numbers were.

        Raises:
            SpecError: A column is not there.
            Unfit: A column is of another kind.
        """
        require(self.names, types, where)
        for name, kind in zip(self.names, self.kinds, strict=True):
            found = types[name]
            number = found.is_numeric() or found in (pl.Boolean, pl.Null)
            if not number and kind != "level":
                what = f"column {name!r} is {type_name(found)}, it was a number in the fit"
                raise Unfit(what, where=where)

    def levels(self, frame: pl.DataFrame) -> dict[int, tuple[str, ...]]:
        """Return the different values of each levelled feature, as sorted texts."""
        return {
            i: tuple(frame.select(text(self.names[i])).to_series().drop_nulls().unique().sort())
            for i in self.levelled
        }

    def matrix(self, rows: Any, levels: Levels) -> npt.NDArray[np.float32]:
        """Return rows as a model sees them.

        Args:
            rows: Numbers, shape (n, features), or a Polars frame that has these columns.
            levels: Of the levelled features; another value is missing.

        Returns:
            Shape (n, features) float32, C order, NaN where missing, categories as codes.
        """
        if isinstance(rows, pl.DataFrame):
            asked = [self._expression(i, levels) for i in range(len(self.names))]
            x = rows.select(asked).to_numpy(order="c", writable=True)
        else:
            with np.errstate(over="ignore"):  # beyond float32 is infinite: above every threshold
                x = rows.astype(np.float32, order="C")
        for i in self.categorical:
            x[:, i] = np.where(x[:, i] >= 0, np.floor(x[:, i]), np.nan)
        return x

    def _expression(self, i: int, levels: Levels) -> pl.Expr:
        name = self.names[i]
        if self.kinds[i] != "level":
            return pl.col(name).cast(pl.Float32)
        known = pl.Series(list(levels[i]), dtype=pl.String)
        return codes(name, known).cast(pl.Float32).alias(name)


def _positions(categorical: Categorical, names: Sequence[str]) -> set[int]:
    if isinstance(categorical, str):
        if categorical != "auto":
            hint = 'give a list of names or positions, or "auto"'
            raise Unfit(f"categorical_feature is {categorical!r}", hint=hint)
        return set()
    return {position(one, names, "categorical_feature") for one in categorical}


def position(one: str | int, names: Sequence[str], where: str) -> int:
    """Return the position of a feature, given by it or by name.

    Raises:
        SpecError: There is no such feature.
    """
    if isinstance(one, str):
        require([one], dict.fromkeys(names, pl.Null()), where)
        return names.index(one)
    if not 0 <= one < len(names):
        what = f"there is no feature {one}: the features are 0 to {len(names) - 1}"
        raise Unfit(what, where=where)
    return int(one)


def _kind(name: str, kind: pl.DataType, chosen: bool) -> Kind:
    if kind in _CATEGORY:
        return "level"
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        return "code" if chosen else "number"
    if kind == pl.String and chosen:
        return "level"
    hint = "name it in categorical_feature, or make it a category"
    if kind != pl.String:
        hint = "make numbers of it (engine.transformer.FeatureTransformer), or drop it"
    raise Unfit(f"column {name!r} is {type_name(kind)}, which is no feature", hint=hint)
