"""The kernels: raw scores of float32 rows, without Python objects and without the GIL.

Every decision is ``column <= threshold`` in float32, or "code in set". What LightGBM does with
missing values is moved into the *columns*: a feature is presented once for each way in which the
model treats its missing values (at most four), with a value that goes the right way by itself.

Trees of at most 64 leaves are scored as QuickScorer does (Lucchese et al., "QuickScorer: a fast
algorithm to rank documents with additive ensembles of regression trees", SIGIR 2015): leaves are
numbered from left to right; a node that sends the row right clears the leaves of its left subtree;
the lowest bit that remains is the row's leaf. Larger trees are walked, several rows side by side.

Rows go in blocks that stay in the first-level cache, laid out column by column, so that LLVM turns
the inner loops over the rows of a block into vector instructions (AVX2 or AVX-512, whatever the
CPU has). Sums run in tree order in float64, as LightGBM's do: equal bits. numba keeps the machine
code on disk, beside this file or in the user's cache folder, keyed by the CPU and by the time and
size of this file; therefore all that the kernels know is defined here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Array = npt.NDArray[Any]

BLOCK = 128  # rows: 31 columns take 16 KiB
TOGETHER = 4  # nodes per pass over a block, fewer loads and stores; trees are filled up to this
LANES = 16  # rows walked side by side, which hides the latency of a step
# LightGBM's kZeroThreshold, 1e-35f (include/LightGBM/meta.h): what is nearer to zero is zero.
ZERO = np.float32(1e-35)
NARROW, WIDE, WALKED, CODED = 0, 1, 2, 3
_ZERO = float(ZERO)
_NO_CODE = 2**31 - 1


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


def _lowest_bit_by_llvm(_context: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of an unsigned word, by one instruction."""

    def emit(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        count = builder.cttz(arguments[0], cgutils.true_bit)
        return target.cast(builder, count, word, types.int64)

    return types.int64(word), emit


_lowest_bit: Any = intrinsic(_lowest_bit_by_llvm)


@njit(nogil=True)
def _fetch(x: Array, start: int, rows: int, columns: Columns, numbers: Array, codes: Array) -> None:
    """Copy rows from ``start`` on into the block, column by column."""
    for c in range(columns.feature.size):
        feature, low, hollow = columns.feature[c], columns.low[c], columns.hollow[c]
        for r in range(rows):
            value = x[start + r, feature]
            if hollow and abs(value) <= _ZERO:
                value = np.float32(np.nan)
            if low and np.isnan(value):
                value = np.float32(-np.inf)
            numbers[c, r] = value
    for c in range(columns.category.size):
        feature = columns.category[c]
        for r in range(rows):
            value = x[start + r, feature]
            known = value > -1.0 and value < 2147483648.0  # else LightGBM's cast to int fails
            codes[c, r] = np.int32(value) if known else np.int32(_NO_CODE)


@njit(nogil=True)
def _add_masked(
    numbers: Array, codes: Array, trees: Masked, t: int, ones: Any, left: Array, total: Array
) -> None:
    """Add tree t to ``total`` (BLOCK,); ``left`` (BLOCK,) holds the leaves not yet ruled out."""
    for r in range(BLOCK):
        left[r] = ones
    for i in range(trees.node_first[t], trees.node_first[t + 1], TOGETHER):
        x0, t0, m0 = numbers[trees.column[i]], trees.threshold[i], trees.mask[i]
        x1, t1, m1 = numbers[trees.column[i + 1]], trees.threshold[i + 1], trees.mask[i + 1]
        x2, t2, m2 = numbers[trees.column[i + 2]], trees.threshold[i + 2], trees.mask[i + 2]
        x3, t3, m3 = numbers[trees.column[i + 3]], trees.threshold[i + 3], trees.mask[i + 3]
        for r in range(BLOCK):
            first_two = (ones if x0[r] <= t0 else m0) & (ones if x1[r] <= t1 else m1)
            last_two = (ones if x2[r] <= t2 else m2) & (ones if x3[r] <= t3 else m3)
            left[r] &= first_two & last_two
    for i in range(trees.table_first[t], trees.table_first[t + 1]):
        chosen, width, offset = codes[trees.code[i]], trees.width[i], trees.offset[i]
        for r in range(BLOCK):
            left[r] &= trees.table[offset + min(chosen[r], width)]
    first = trees.leaf_first[t]
    for r in range(BLOCK):
        total[r] += trees.leaf[first + _lowest_bit(left[r])]


@njit(nogil=True)
def _add_walked(numbers: Array, trees: Walked, t: int, at: Array, total: Array) -> None:
    """Add tree t, all numbers, to ``total``; ``at`` (LANES,) uint32 holds the node of each row."""
    for start in range(0, BLOCK, LANES):
        for r in range(LANES):
            at[r] = trees.root[t]
        moved = np.uint32(1)
        while moved:
            moved = np.uint32(0)
            for r in range(LANES):
                node = at[r]
                value = numbers[trees.column[node], np.uint32(start + r)]
                right = np.uint32(not (value <= trees.threshold[node]))  # NaN goes right
                at[r] = np.uint32(trees.child[node] + right)
                moved |= node ^ at[r]
        for r in range(LANES):
            total[start + r] += trees.value[at[r]]


@njit(nogil=True)
def _add_coded(
    numbers: Array, codes: Array, trees: Walked, t: int, at: Array, total: Array
) -> None:
    """Add tree t, which has categorical nodes, to ``total``; ``at`` as in ``_add_walked``."""
    for start in range(0, BLOCK, LANES):
        for r in range(LANES):
            at[r] = trees.root[t]
        moved = np.uint32(1)
        while moved:
            moved = np.uint32(0)
            for r in range(LANES):
                node = at[r]
                column, row = trees.column[node], np.uint32(start + r)
                if trees.coded[node]:
                    code = codes[column, row]
                    word = min(np.uint32(code >> 5), trees.words[node])  # the last word is empty
                    bits = trees.bits[trees.word_first[node] + word]
                    right = ~(bits >> np.uint32(code & 31)) & np.uint32(1)
                else:
                    right = np.uint32(not (numbers[column, row] <= trees.threshold[node]))
                at[r] = np.uint32(trees.child[node] + right)
                moved |= node ^ at[r]
        for r in range(LANES):
            total[start + r] += trees.value[at[r]]


def _score(
    x: Array,
    columns: Columns,
    kind: Array,
    number: Array,
    narrow: Masked,
    wide: Masked,
    walked: Walked,
    out: Array,
) -> None:
    """Add raw scores of x (n, features) float32 to out (n, outputs) float64, tree by tree.

    ``kind`` (trees,) uint8, ``number`` (trees,) int32: tree t is number ``number[t]`` of its kind.
    """
    numbers = np.zeros((columns.feature.size + 1, BLOCK), np.float32)  # the last one stays zero
    codes = np.zeros((columns.category.size, BLOCK), np.int32)
    left32, left64 = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint64)
    at = np.empty(LANES, np.uint32)
    outputs = out.shape[1]
    totals = np.zeros((outputs, BLOCK), np.float64)
    for start in range(0, x.shape[0], BLOCK):
        rows = min(BLOCK, x.shape[0] - start)
        _fetch(x, start, rows, columns, numbers, codes)
        for k in range(outputs):
            for r in range(rows):
                totals[k, r] = out[start + r, k]
        for t in range(kind.size):
            i, total = number[t], totals[t % outputs]
            if kind[t] == NARROW:
                _add_masked(numbers, codes, narrow, i, np.uint32(0xFFFFFFFF), left32, total)
            elif kind[t] == WIDE:
                ones = np.uint64(0xFFFFFFFFFFFFFFFF)
                _add_masked(numbers, codes, wide, i, ones, left64, total)
            elif kind[t] == WALKED:
                _add_walked(numbers, walked, i, at, total)
            else:
                _add_coded(numbers, codes, walked, i, at, total)
        for k in range(outputs):
            for r in range(rows):
                out[start + r, k] = totals[k, r]


def _flat(*dtypes: Any) -> list[Any]:
    return [types.Array(dtype, 1, "C") for dtype in dtypes]


def _signature() -> Any:
    """Say the types, so that importing compiles or loads the kernel, and no call ever does."""
    i32, i64, f32, f64 = types.int32, types.int64, types.float32, types.float64
    flag, u32, u64 = types.boolean, types.uint32, types.uint64
    columns = types.NamedTuple(_flat(i32, flag, flag, i32), Columns)
    narrow, wide = (
        types.NamedTuple(_flat(i64, i32, f32, u, i64, i32, i32, i64, u, i64, f64), Masked)
        for u in (u32, u64)
    )
    walked = types.NamedTuple(_flat(u32, u32, f32, u32, f64, flag, u32, u32, u32), Walked)
    x = types.Array(f32, 2, "C", readonly=True)
    order = _flat(types.uint8, i32)
    return types.void(x, columns, *order, narrow, wide, walked, types.Array(f64, 2, "C"))


def _compiled() -> Any:
    try:
        return njit(_signature(), nogil=True, cache=True)(_score)
    except RuntimeError:  # nowhere to keep the machine code
        return njit(_signature(), nogil=True)(_score)


score = _compiled()
