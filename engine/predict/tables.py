"""A checked forest laid out for the kernels of ``walk``: each tree by the fastest way it allows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.predict.arrays import CODED, NARROW, WALKED, WIDE, Columns, Masked, Walked
from engine.predict.columns import ColumnIndex, categorical, codes_of
from engine.predict.masked import MaskedTree, join_masked, mask_tree
from engine.predict.trees import Forest, Tree
from engine.predict.walked import WalkedTree, join_walked, walk_tree

# A tree's category tables stay well inside a second-level cache (8 bytes each); over it, walk.
_MAX_ENTRIES = 16_384


class Tables(NamedTuple):
    """What ``walk.score`` takes between the rows and the output, in its order."""

    columns: Columns
    kind: npt.NDArray[np.uint8]
    number: npt.NDArray[np.int32]
    narrow: Masked
    wide: Masked
    walked: Walked


def lay_out(forest: Forest) -> Tables:
    """Lay out a forest without linear trees; 0.1 CPU s for 500 trees of 63 leaves."""
    columns, kinds = ColumnIndex(), [_kind(tree) for tree in forest.trees]
    narrow: list[MaskedTree] = []
    wide: list[MaskedTree] = []
    walked: list[WalkedTree] = []
    groups: dict[int, list[Any]] = {NARROW: narrow, WIDE: wide, WALKED: walked, CODED: walked}
    number = []
    for tree, kind in zip(forest.trees, kinds, strict=True):
        number.append(len(groups[kind]))
        if groups[kind] is walked:
            walked.append(walk_tree(tree, columns))
        else:
            dtype = np.uint32 if kind == NARROW else np.uint64
            groups[kind].append(mask_tree(tree, columns, dtype))
    return Tables(
        columns.table(),
        np.array(kinds, np.uint8),
        np.array(number, np.int32),
        join_masked(narrow, np.uint32),
        join_masked(wide, np.uint64),
        join_walked(walked, columns.zero),
    )


def _kind(tree: Tree) -> int:
    """Choose by the number of leaves and the size of the category tables."""
    widths: dict[int, int] = {}
    for node in np.flatnonzero(categorical(tree)).tolist():
        feature = int(tree.feature[node])
        widths[feature] = max(widths.get(feature, 0), 32 * len(codes_of(tree, node)))
    if len(tree.leaf) > 64 or sum(widths.values()) > _MAX_ENTRIES:
        return CODED if widths else WALKED
    return NARROW if len(tree.leaf) <= 32 else WIDE
