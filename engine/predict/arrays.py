"""How a forest lies in memory: what the kernels of ``walk`` take. Loads nothing but NumPy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCK = 128  # rows: 31 columns take 16 KiB
TOGETHER = 4  # nodes per pass over a block, fewer loads and stores; trees are filled up to this
LANES = 16  # rows walked side by side, which hides the latency of a step
# LightGBM's kZeroThreshold, 1e-35f (include/LightGBM/meta.h): what is nearer to zero is zero.
ZERO = np.float32(1e-35)
NARROW, WIDE, WALKED, CODED = 0, 1, 2, 3
ARRAYS = 45  # that the compiled kernel takes: 39 of rows, forest and output, 6 of work space


class Columns(NamedTuple):
    """What to fetch from a row: numbers, each with its treatment of missing values, and codes."""

    feature: Array  # (columns,) int32
    low: Array  # (columns,) bool: NaN becomes -inf and so goes left everywhere
    hollow: Array  # (columns,) bool: zeros become NaN first (zero_as_missing)
    category: Array  # (codes,) int32, features read as category codes


class Masked(NamedTuple):
    """Trees of up to 32 (uint32) or 64 (uint64) leaves; ``*_first`` are (trees + 1,) offsets."""

    node_first: Array  # int64, into column, threshold, mask
    column: Array  # int32
    threshold: Array  # float32
    mask: Array  # uint32 or uint64: leaves that remain when the node sends the row right
    table_first: Array  # int64, into code, width, offset: one table per tree and category column
    code: Array  # int32, index into Columns.category
    width: Array  # int32: codes from ``width`` on share the last entry
    offset: Array  # int64, into table
    table: Array  # like mask: leaves that remain for a code
    leaf_first: Array  # int64
    leaf: Array  # float64, from left to right


class Walked(NamedTuple):
    """Larger trees: nodes and leaves in one list; a leaf is its own left child."""

    root: Array  # (trees,) uint32
    column: Array  # uint32; of a coded node the index into Columns.category
    threshold: Array  # float32
    child: Array  # uint32: the left child; the right one follows it
    value: Array  # float64, leaves only
    coded: Array  # bool: the node looks for a category code in its bit set
    word_first: Array  # uint32, into bits
    words: Array  # uint32, length of the bit set
    bits: Array  # uint32; an empty word follows each set
