"""Trees of more than 64 leaves, laid out for walking (see ``walk``)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import Walked
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


class WalkedTree(NamedTuple):
    """One tree; the root is entry 0, the children of inner node i are 2 i + 1 and 2 i + 2."""

    place: Array  # (nodes,) entry of each inner node
    leaf_place: Array  # (leaves,) entry of each leaf
    column: Array  # (nodes,)
    tree: Tree


def walk_tree(tree: Tree, columns: ColumnIndex) -> WalkedTree:
    """Give nodes and leaves their entries, such that siblings are adjacent."""
    nodes = len(tree.feature)
    place, leaf_place = np.zeros(nodes, np.int64), np.zeros(nodes + 1, np.int64)
    for step, side in enumerate((tree.left, tree.right), start=1):
        at = 2 * np.arange(nodes) + step
        place[side[side >= 0]] = at[side >= 0]
        leaf_place[~side[side < 0]] = at[side < 0]
    return WalkedTree(place, leaf_place, columns.of(tree), tree)


def join_walked(trees: list[WalkedTree], zero: int) -> Walked:
    """Put the trees behind each other; leaves compare column ``zero`` and stay where they are."""
    sizes = [2 * len(tree.place) + 1 for tree in trees]
    root = np.cumsum([0, *sizes])
    place = joined([t.place + r for t, r in zip(trees, root, strict=False)], np.int64)
    leaf_place = joined([t.leaf_place + r for t, r in zip(trees, root, strict=False)], np.int64)
    first = [2 * np.arange(len(t.place)) + 1 + r for t, r in zip(trees, root, strict=False)]
    sets = [words for tree in trees for words in _sets(tree.tree)]
    total = int(root[-1])

    def scattered(fill: Any, values: Array) -> Array:
        entries = np.full(total, fill, values.dtype)
        entries[place] = values
        return entries

    child = np.arange(total, dtype=np.uint32)
    child[place] = joined(first, np.uint32)
    value = np.zeros(total)
    value[leaf_place] = joined([tree.tree.leaf for tree in trees], np.float64)
    return Walked(
        root[:-1].astype(np.uint32),
        scattered(zero, joined([tree.column for tree in trees], np.uint32)),
        scattered(np.inf, round_down(joined([t.tree.threshold for t in trees], np.float64))),
        child,
        value,
        scattered(False, joined([categorical(tree.tree) for tree in trees], np.bool_)),
        scattered(0, offsets(sets)[:-1].astype(np.uint32)),
        scattered(0, np.array([max(len(words) - 1, 0) for words in sets], np.uint32)),
        joined(sets, np.uint32),
    )


def _sets(tree: Tree) -> list[npt.NDArray[np.uint32]]:
    """Return each node's bit set and an empty word, which stands for all greater codes."""
    nodes = enumerate(categorical(tree).tolist())
    none = np.empty(0, np.uint32)
    return [np.append(codes_of(tree, n), np.uint32(0)) if coded else none for n, coded in nodes]
