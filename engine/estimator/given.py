"""A table as the user gave it, with all that goes with its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from engine import arrow
from engine.data.dataset import Dataset
from engine.estimator.refusal import Unfit

Library = Literal["array", "pandas", "polars", "dask", "dataset"]


@dataclass(frozen=True)
class Given:
    """Rows and their vectors; a vector is an array of values, or the name of a column of the rows.

    Attributes:
        x: An array, a pandas or Polars frame, a Dask DataFrame, or a data set.
        y: Labels.
        weight: How much each row counts; None = all the same.
        init: Raw scores that boosting starts from, one or several for each row; or None.
        query: Query of each row, for ranking; or None.
        group: Rows of each query, one after the other, instead of ``query``; or None.
        unlabelled: What is learned needs no labels: none are read. A column that ``y`` names is no
            feature all the same.
    """

    x: Any
    y: Any
    weight: Any = None
    init: Any = None
    query: Any = None
    group: Any = None
    unlabelled: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the vectors that must be there."""
        return () if self.unlabelled else ("y",)

    @property
    def vectors(self) -> Mapping[str, Any]:
        """Return the vectors that there are, by name."""
        names = (*self.needed, "weight", "init", "query", "group")
        every = {name: getattr(self, name) for name in names}
        return {name: values for name, values in every.items() if values is not None}

    @property
    def named(self) -> dict[str, list[str]]:
        """Return the columns of ``x`` that the vectors are in, for those that are named."""
        named = {name: [one] for name, one in self.vectors.items() if isinstance(one, str)}
        if isinstance(self.init, (list, tuple)) and all(isinstance(one, str) for one in self.init):
            named["init"] = list(self.init)
        return named

    @property
    def taken(self) -> list[str]:
        """Return the columns of ``x`` that are no features."""
        named = [name for names in self.named.values() for name in names]
        return [*named, self.y] if self.unlabelled and isinstance(self.y, str) else named

    def assert_labels(self, owner: str, hint: str) -> None:
        """Refuse rows without labels, where some are needed.

        Args:
            owner: The estimator's name.
            hint: How labels are given.

        Raises:
            Unfit: There are none.
        """
        if self.y is None and not self.unlabelled:
            what = f"this {owner} requires y to be passed, but the target y is None"
            raise Unfit(what, hint=hint)


def library(x: Any) -> Library:
    """Return what kind of table this is; what is no frame and no data set counts as an array.

    Raises:
        Unfit: A Dask collection that is no DataFrame, or a lazy Polars frame.
    """
    kind = type(x)
    home = kind.__module__.partition(".")[0]
    if kind.__name__ == "DataFrame" and home in ("pandas", "polars", "dask"):
        return cast(Library, home)
    if isinstance(x, Dataset):
        return "dataset"
    if kind.__name__ == "LazyFrame":
        hint = "collect() it, or give the path of its files"
        raise Unfit("this is a lazy Polars frame", hint=hint)
    if hasattr(x, "__dask_graph__"):
        what = f"this is a Dask {kind.__name__}, not a Dask DataFrame"
        raise Unfit(what, hint="an array has to_dask_dataframe()")
    return "array"


@dataclass(frozen=True)
class HeldOut:
    """Validation rows.

    Attributes:
        given: The rows; None = there are none.
        name: Of the set.
    """

    given: Given | None = None
    name: str = "valid_0"


def held_out(
    eval_set: Sequence[tuple[Any, Any]] | tuple[Any, Any] | None,
    eval_names: Sequence[str] | None,
    **vectors: Any,
) -> HeldOut:
    """Return the validation rows.

    Args:
        eval_set: A pair of rows and labels, alone or in a list.
        eval_names: Its name in a list.
        **vectors: What else goes with the rows, in a list too; see `Given`.

    Raises:
        Unfit: There are several sets.
    """
    if eval_set is None:
        return HeldOut()
    pairs = [eval_set] if isinstance(eval_set, tuple) else list(eval_set)
    if len(pairs) != 1 or len(pairs[0]) != 2:
        what = f"eval_set has {len(pairs)} sets; rounds are followed on one"
        raise Unfit(what, hint="give [(X, y)]")
    x, y = pairs[0]
    given = Given(x, y, **{name: _only(one) for name, one in vectors.items()})
    return HeldOut(given, *(eval_names or ())[:1])


def _only(one: Any) -> Any:
    return one[0] if isinstance(one, (list, tuple)) and len(one) == 1 else one


def values(vector: Any, where: str) -> npt.NDArray[Any]:
    """Return a vector as an array; what is missing in a pandas series is None or NaN.

    Args:
        vector: An array, a series, or a list.
        where: For messages.

    Raises:
        InputError: A series holds values of several kinds.
    """
    if type(vector).__name__ == "Series" and type(vector).__module__.startswith("pandas"):
        series = pl.Series(where, arrow.converted(vector, None, where))
        return series.to_numpy()
    return np.asarray(vector)


def queries(group: Any, rows: int, partition: int = 0) -> npt.NDArray[np.int64]:
    """Return a number for each row that is equal for rows of one query.

    Args:
        group: Rows of each query of a partition.
        rows: All of its rows.
        partition: Its number: queries of two partitions are different ones.

    Raises:
        Unfit: They do not add up.
    """
    sizes = np.asarray(group).ravel()
    if (sizes < 0).any() or int(sizes.sum()) != rows:
        what = f"the groups have {int(sizes.sum()):,} rows, the data {rows:,}"
        raise Unfit(what, where="group", hint="give the number of rows of each query, in order")
    return np.repeat(np.arange(len(sizes)) + (partition << 32), sizes.astype(np.int64))
