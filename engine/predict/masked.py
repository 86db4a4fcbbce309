"""Trees of at most 64 leaves, laid out for scoring by bit masks (see ``walk``)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import TOGETHER, Masked
from engine.predict.columns import (
    ColumnIndex,
    categorical,
    codes_of,
    joined,
    offsets,
    round_down,
)
from engine.predict.trees import Tree

Array = npt.NDArray[Any]


class MaskedTree(NamedTuple):
    """One tree; fields as in ``walk.Masked``, with a table per categorical column."""

    column: Array
    threshold: Array
    mask: Array
    code: Array
    tables: list[Array]
    leaf: Array


def mask_tree(tree: Tree, columns: ColumnIndex, dtype: Any) -> MaskedTree:
    """Lay out one tree with masks of ``dtype`` (uint32 or uint64), a bit per leaf."""
    masks, order = _left_to_right(tree, int(np.iinfo(dtype).max))
    column, mask, coded = columns.of(tree), np.array(masks, dtype), categorical(tree)
    code = np.unique(column[coded])
    spare = (0, -int((~coded).sum()) % TOGETHER)  # nodes that rule out no leaf
    return MaskedTree(
        np.pad(column[~coded], spare),
        np.pad(round_down(tree.threshold[~coded]), spare),
        np.pad(mask[~coded], spare, constant_values=np.iinfo(dtype).max),
        code,
        [_table(tree, np.flatnonzero(coded & (column == c)), mask) for c in code],
        tree.leaf[order],
    )


def join_masked(trees: list[MaskedTree], dtype: Any) -> Masked:
    """Put the trees of one mask width behind each other."""
    columns, codes = [tree.column for tree in trees], [tree.code for tree in trees]
    tables = [table for tree in trees for table in tree.tables]
    leaves = [tree.leaf for tree in trees]
    return Masked(
        offsets(columns),
        joined(columns, np.int32),
        joined([tree.threshold for tree in trees], np.float32),
        joined([tree.mask for tree in trees], dtype),
        offsets(codes),
        joined(codes, np.int32),
        np.array([len(table) - 1 for table in tables], np.int32),
        offsets(tables)[:-1],
        joined(tables, dtype),
        offsets(leaves),
        joined(leaves, np.float64),
    )


def _left_to_right(tree: Tree, full: int) -> tuple[list[int], list[int]]:
    """Return the mask of each node and the leaves in order; children come after parents."""
    left, right = tree.left.tolist(), tree.right.tolist()
    below = [0] * len(left)  # leaves of each subtree
    for node in reversed(range(len(left))):
        below[node] = sum(1 if c < 0 else below[c] for c in (left[node], right[node]))
    start, masks, order = [0] * len(left), [], [0] * len(tree.leaf)
    for node, (near, far) in enumerate(zip(left, right, strict=True)):
        width = 1 if near < 0 else below[near]
        masks.append(full ^ (((1 << width) - 1) << start[node]))
        for child, at in ((near, start[node]), (far, start[node] + width)):
            if child < 0:
                order[at] = ~child
            else:
                start[child] = at
    return masks, order


def _table(tree: Tree, nodes: Array, mask: Array) -> Array:
    """AND, for each code, the masks of the nodes whose set lacks it; the last entry: any other."""
    sets = [codes_of(tree, node) for node in nodes.tolist()]
    table = np.full(32 * max(map(len, sets)) + 1, np.iinfo(mask.dtype).max, mask.dtype)
    for node, words in zip(nodes, sets, strict=True):
        flags = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
        outside = np.ones(len(table), np.bool_)
        outside[: len(flags)] = flags == 0
        table[outside] &= mask[node]
    return table
