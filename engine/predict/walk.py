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
CPU has). Sums run in tree order in float64, as LightGBM's do: equal bits.

numba is needed to compile, not to predict: `engine.predict.compiling` turns `entry` into machine
code in a process of its own, once for a machine, and `engine.predict.kernel` calls it. So nothing
here may need numba's run-time: no memory is taken (the caller brings a work space), and nothing is
raised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import carray, njit, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

from engine.predict.arrays import (
    ARRAYS,
    BLOCK,
    LANES,
    NARROW,
    TOGETHER,
    WALKED,
    WIDE,
    ZERO,
    Array,
    Columns,
    Masked,
    Walked,
)

F = TypeVar("F", bound=Callable[..., None])

_ZERO = float(ZERO)
_NO_CODE = 2**31 - 1


def _lowest_bit_by_llvm(_context: Any, word: Any) -> Any:
    """Return the index of the lowest set bit of an unsigned word, by one instruction."""

    def emit(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        count = builder.cttz(arguments[0], cgutils.true_bit)
        return target.cast(builder, count, word, types.int64)

    return types.int64(word), emit


def _at_by_llvm(_context: Any, address: Any) -> Any:
    """Return the pointer to an address that is given as a number."""

    def emit(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.uint64), emit


_lowest_bit: Any = intrinsic(_lowest_bit_by_llvm)
_at: Any = intrinsic(_at_by_llvm)


def _compiled(function: F) -> F:
    """Compile a function without checks that raise."""
    made: Any = njit(nogil=True, error_model="numpy")(function)
    return cast(F, made)


@_compiled
def _fetch(
    first: Array, stride: int, start: int, rows: int, columns: Columns, numbers: Array, codes: Array
) -> None:
    """Copy rows from ``start`` on into the block, column by column.

    ``first`` (features,) uint64 holds the address of the first value of each feature; from row to
    row it is ``stride`` values of float32.
    """
    for c in range(columns.feature.size):
        low, hollow = columns.low[c], columns.hollow[c]
        address = first[columns.feature[c]] + np.uint64(4 * start * stride)
        x = carray(_at(address), (rows * stride,), np.float32)
        if stride == 1:  # a vector at a time
            for r in range(rows):
                numbers[c, r] = x[r]
        else:
            for r in range(rows):
                numbers[c, r] = x[r * stride]
        if hollow:
            for r in range(rows):
                if abs(numbers[c, r]) <= _ZERO:
                    numbers[c, r] = np.float32(np.nan)
        if low:
            for r in range(rows):
                if np.isnan(numbers[c, r]):
                    numbers[c, r] = np.float32(-np.inf)
    for c in range(columns.category.size):
        address = first[columns.category[c]] + np.uint64(4 * start * stride)
        x = carray(_at(address), (rows * stride,), np.float32)
        for r in range(rows):
            value = x[r * stride]
            known = value > -1.0 and value < 2147483648.0  # else LightGBM's cast to int fails
            codes[c, r] = np.int32(value) if known else np.int32(_NO_CODE)


@_compiled
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


@_compiled
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


@_compiled
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


@_compiled
def _score(
    first: Array,
    stride: int,
    rows: int,
    columns: Columns,
    kind: Array,
    number: Array,
    narrow: Masked,
    wide: Masked,
    walked: Walked,
    out: Array,
    numbers: Array,
    codes: Array,
    left32: Array,
    left64: Array,
    at: Array,
    totals: Array,
) -> None:
    """Add the raw scores of rows to out (rows, outputs) float64, tree by tree.

    ``kind`` (trees,) uint8, ``number`` (trees,) int32: tree t is number ``number[t]`` of its kind.
    The last six are the work space of a block (`engine.predict.kernel`); the last row of
    ``numbers`` is zero and stays so.
    """
    outputs = out.shape[1]
    for start in range(0, rows, BLOCK):
        some = min(BLOCK, rows - start)
        _fetch(first, stride, start, some, columns, numbers, codes)
        for k in range(outputs):
            for r in range(some):
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
            for r in range(some):
                out[start + r, k] = totals[k, r]


def _view(dtype: Any) -> Any:
    """Return the function that makes argument i an array of this type."""

    def view(address: Array, size: Array, i: int) -> Any:
        return carray(_at(address[i]), (size[i],), dtype)

    return _compiled(view)


_f32, _f64, _flag, _u8 = (_view(kind) for kind in (np.float32, np.float64, np.bool_, np.uint8))
_i32, _i64, _u32, _u64 = (_view(kind) for kind in (np.int32, np.int64, np.uint32, np.uint64))


def entry(addresses: Any, sizes: Any) -> None:
    """Call `_score` from C, with the addresses and the sizes of its arrays in order.

    Args:
        addresses: uint64, one of each array: ``first``, then as `_score` takes them, the fields of
            the tuples one by one.
        sizes: int64, the number of elements of each; then ``stride``, ``rows``, outputs and
            columns of ``numbers`` and ``codes``.
    """
    a = carray(addresses, (ARRAYS,))
    n = carray(sizes, (ARRAYS + 5,))
    stride, rows, outputs = n[ARRAYS], n[ARRAYS + 1], n[ARRAYS + 2]
    columns = Columns(_i32(a, n, 1), _flag(a, n, 2), _flag(a, n, 3), _i32(a, n, 4))
    narrow = Masked(
        _i64(a, n, 7),
        _i32(a, n, 8),
        _f32(a, n, 9),
        _u32(a, n, 10),
        _i64(a, n, 11),
        _i32(a, n, 12),
        _i32(a, n, 13),
        _i64(a, n, 14),
        _u32(a, n, 15),
        _i64(a, n, 16),
        _f64(a, n, 17),
    )
    wide = Masked(
        _i64(a, n, 18),
        _i32(a, n, 19),
        _f32(a, n, 20),
        _u64(a, n, 21),
        _i64(a, n, 22),
        _i32(a, n, 23),
        _i32(a, n, 24),
        _i64(a, n, 25),
        _u64(a, n, 26),
        _i64(a, n, 27),
        _f64(a, n, 28),
    )
    walked = Walked(
        _u32(a, n, 29),
        _u32(a, n, 30),
        _f32(a, n, 31),
        _u32(a, n, 32),
        _f64(a, n, 33),
        _flag(a, n, 34),
        _u32(a, n, 35),
        _u32(a, n, 36),
        _u32(a, n, 37),
    )
    _score(
        _u64(a, n, 0),
        stride,
        rows,
        columns,
        _u8(a, n, 5),
        _i32(a, n, 6),
        narrow,
        wide,
        walked,
        carray(_at(a[38]), (rows, outputs), np.float64),
        carray(_at(a[39]), (n[ARRAYS + 3], BLOCK), np.float32),
        carray(_at(a[40]), (n[ARRAYS + 4], BLOCK), np.int32),
        _u32(a, n, 41),
        _u64(a, n, 42),
        _u32(a, n, 43),
        carray(_at(a[44]), (outputs, BLOCK), np.float64),
    )


SIGNATURE = types.void(types.CPointer(types.uint64), types.CPointer(types.int64))
"""Of `entry`."""
