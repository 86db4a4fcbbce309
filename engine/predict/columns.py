"""Which columns a forest reads: each feature once per treatment of its missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import ZERO, Columns
from engine.predict.trees import (
    CATEGORICAL,
    DEFAULT_LEFT,
    MISSING_SHIFT,
    MISSING_ZERO,
    Tree,
)


class ColumnIndex:
    """Numbers the columns while trees are laid out."""

    def __init__(self) -> None:
        """Begin without columns."""
        self._numbers: dict[tuple[int, bool, bool], int] = {}
        self._codes: dict[int, int] = {}

    @property
    def zero(self) -> int:
        """The column after the last number, always 0.0, once all trees are laid out."""
        return len(self._numbers)

    def of(self, tree: Tree) -> npt.NDArray[np.int32]:
        """Return each node's column of numbers or, where it is categorical, of codes."""
        missing = tree.decision >> MISSING_SHIFT
        default = (tree.decision & DEFAULT_LEFT) > 0
        low = np.where(missing == 0, tree.threshold >= 0, default)  # none: NaN counts as 0.0
        hollow = missing == MISSING_ZERO
        keys = zip(tree.feature.tolist(), low.tolist(), hollow.tolist(), strict=True)
        found = [
            self._codes.setdefault(key[0], len(self._codes))
            if is_code
            else self._numbers.setdefault(key, len(self._numbers))
            for key, is_code in zip(keys, categorical(tree).tolist(), strict=True)
        ]
        return np.array(found, np.int32)

    def table(self) -> Columns:
        """Return what the kernel fetches."""
        keys = list(self._numbers)
        return Columns(
            np.array([feature for feature, _, _ in keys], np.int32),
            np.array([low for _, low, _ in keys], np.bool_),
            np.array([hollow for _, _, hollow in keys], np.bool_),
            np.array(list(self._codes), np.int32),
        )


def categorical(tree: Tree) -> npt.NDArray[np.bool_]:
    """Tell which nodes look for a category code in a set."""
    flags: npt.NDArray[np.bool_] = (tree.decision & CATEGORICAL) > 0
    return flags


def codes_of(tree: Tree, node: int) -> npt.NDArray[np.uint32]:
    """Return the bit set of a categorical node."""
    chosen = int(tree.threshold[node])
    return tree.bits[tree.boundaries[chosen] : tree.boundaries[chosen + 1]]


def round_down(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Return float32 t with ``x <= t`` as LightGBM decides ``x <= threshold`` for float32 x.

    LightGBM takes values within ``ZERO`` of zero for zero before it compares (src/c_api.cpp,
    RowPairFunctionFromDenseMatric); a threshold in that band moves to the band's edge instead.
    """
    with np.errstate(over="ignore"):
        near: npt.NDArray[Any] = threshold.astype(np.float32)
        down = np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)
    down[(threshold >= 0) & (threshold < ZERO)] = ZERO
    down[(threshold < 0) & (threshold >= -ZERO)] = np.nextafter(-ZERO, np.float32(-np.inf))
    return down.astype(np.float32)


def joined(parts: list[Any], dtype: Any) -> npt.NDArray[Any]:
    """Concatenate arrays, of which there may be none."""
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def offsets(parts: list[Any]) -> npt.NDArray[np.int64]:
    """Return where each part begins in ``joined``, and where the last one ends."""
    return np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
