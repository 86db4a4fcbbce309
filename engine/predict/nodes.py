"""A forest node by node, for the kernels that follow its paths, and rows as those compare them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import ZERO, Array, Columns
from engine.predict.columns import (
    ColumnIndex,
    categorical,
    codes_of,
    joined,
    offsets,
    round_down,
)
from engine.predict.trees import Forest, Tree

_NO_CODE = np.int32(2**31 - 1)


class Nodes(NamedTuple):
    """All inner nodes of all trees, in LightGBM's order: parents first, the root is a tree's 0."""

    first: Array  # (trees + 1,) int64: where each tree begins
    column: Array  # int32, of numbers or, where ``coded``, of codes
    threshold: Array  # float32
    coded: Array  # bool: the node looks for a category code in its bit set
    left: Array  # int32, node of the same tree, or ``~leaf``
    right: Array  # int32
    word_first: Array  # int64, into bits
    words: Array  # int64, length of the bit set
    bits: Array  # uint32; an empty word follows each set


def nodes_of(forest: Forest) -> tuple[Columns, Nodes]:
    """Lay out a forest, and say which columns its nodes read."""
    index, trees = ColumnIndex(), forest.trees
    sets = [words for tree in trees for words in _sets(tree)]
    nodes = Nodes(
        offsets([tree.feature for tree in trees]),
        joined([index.of(tree) for tree in trees], np.int32),
        round_down(joined([tree.threshold for tree in trees], np.float64)),
        joined([categorical(tree) for tree in trees], np.bool_),
        joined([tree.left for tree in trees], np.int32),
        joined([tree.right for tree in trees], np.int32),
        offsets(sets)[:-1],
        np.array([max(len(words) - 1, 0) for words in sets], np.int64),
        joined(sets, np.uint32),
    )
    return index.table(), nodes


def fetched(
    x: npt.NDArray[np.float32], columns: Columns, rows: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Return what nodes compare, column by column.

    Args:
        x: (n, features) float32.
        columns: Which columns there are, and how each treats missing values.
        rows: Rows to return, at least n; those behind the last one are zero.

    Returns:
        Numbers (columns, rows) and category codes (columns, rows).
    """
    numbers = np.zeros((len(columns.feature), rows), np.float32)
    filled = numbers[:, : len(x)]
    filled[:] = x[:, columns.feature].T
    filled[columns.hollow[:, None] & (np.abs(filled) <= ZERO)] = np.nan
    filled[columns.low[:, None] & np.isnan(filled)] = -np.inf
    codes = np.zeros((len(columns.category), rows), np.int32)
    values = x[:, columns.category].T
    known = (values > -1.0) & (values < 2147483648.0)  # else LightGBM's cast to int fails
    codes[:, : len(x)] = np.where(known, np.where(known, values, 0).astype(np.int32), _NO_CODE)
    return numbers, codes


def _sets(tree: Tree) -> list[npt.NDArray[np.uint32]]:
    """Return each node's bit set and an empty word, which stands for all greater codes."""
    coded: list[Any] = categorical(tree).tolist()
    none = np.empty(0, np.uint32)
    return [
        np.append(codes_of(tree, node), np.uint32(0)) if flag else none
        for node, flag in enumerate(coded)
    ]
