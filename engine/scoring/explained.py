"""The columns that say which feature contributed how much to a prediction.

Contributions are exact SHAP values of the raw score (`engine.predict.contributions`): of a binary
model the log odds of the second class, of a multiclass one the raw score of the predicted class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.errors import SpecError
from engine.predict.contributions import contributions_of

CONTRIBUTION, REASON, BASE = "contribution", "reason", "base"
"""Names of the columns: ``contribution_<feature>`` and ``contribution_base``, or ``reason_1``, the
name of the feature that contributed most, and ``reason_1_contribution``."""

ROWS = 8192
"""Rows that are explained at once: beside the columns, only their contributions are held."""

Asked = Literal["all"] | int


def explained_columns(asked: Asked, features: Sequence[str]) -> dict[str, pl.DataType]:
    """Return name and type of each column, in order.

    Args:
        asked: ``all``, or how many of the largest contributions.
        features: Names of the features.

    Raises:
        SpecError: There are fewer features, or one of them is called ``base``.
    """
    if asked == "all":
        if BASE in features:
            raise SpecError(
                f"the model has a feature {BASE!r}: two columns would be called "
                f"'{CONTRIBUTION}_{BASE}'",
                where="score.explain",
                hint="ask for a number of largest contributions, or give the feature another name",
            )
        return {f"{CONTRIBUTION}_{name}": pl.Float32() for name in (*features, BASE)}
    if asked > len(features):
        raise SpecError(
            f"{asked} contributions of each row are wanted, and the model has {len(features)} "
            "features",
            where="score.explain",
            hint='ask for fewer, or for "all"',
        )
    columns: dict[str, pl.DataType] = {}
    for place in range(1, asked + 1):
        columns |= {f"{REASON}_{place}": pl.String(), _amount(place): pl.Float32()}
    return columns


def explained(
    asked: Asked,
    features: Sequence[str],
    model: str,
    x: npt.NDArray[np.float32],
    output: npt.NDArray[np.int64] | None,
) -> list[pl.Series]:
    """Return the columns, as `explained_columns` names them.

    Of two contributions of the same size the one of the earlier feature comes first.

    Args:
        asked: ``all``, or how many of the largest contributions.
        features: Names of the features, in the order of the matrix.
        model: LightGBM's model text.
        x: (n, features) float32.
        output: (n,) the raw score that is explained, of several; None: the only one.

    Raises:
        ModelError: The model cannot be explained; see `engine.predict.contributions`.
    """
    trees, rows = contributions_of(model), len(x)
    wide = len(features) + 1 if asked == "all" else asked
    amounts = np.empty((wide, rows), np.float32)
    places = np.empty((0 if asked == "all" else asked, rows), np.uint32)
    for start in range(0, rows, ROWS):
        part = slice(start, start + ROWS)
        found = trees.of(x[part], None if output is None else output[part])
        if asked == "all":
            amounts[:, part] = found.T
        else:
            places[:, part] = _largest(found[:, :-1], asked)
            some = np.arange(len(found))
            for row, chosen in zip(amounts, places[:, part], strict=True):
                row[part] = found[some, chosen]
    if asked == "all":
        names = [f"{CONTRIBUTION}_{name}" for name in (*features, BASE)]
        return [pl.Series(name, row) for name, row in zip(names, amounts, strict=True)]
    known, columns = pl.Series(features, dtype=pl.String()), []
    for place, (row, chosen) in enumerate(zip(amounts, places, strict=True), start=1):
        columns.append(known.gather(chosen).alias(f"{REASON}_{place}"))
        columns.append(pl.Series(_amount(place), row))
    return columns


def _largest(values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.int64]:
    """Return the places of the largest absolute values of each row, shape (count, rows)."""
    sizes, some = np.abs(values), np.arange(len(values))
    places = np.empty((count, len(values)), np.int64)
    for place in places:
        place[:] = sizes.argmax(axis=1)  # the first of equals
        sizes[some, place] = -1.0
    return places


def _amount(place: int) -> str:
    return f"{REASON}_{place}_{CONTRIBUTION}"
