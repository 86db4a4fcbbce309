"""The kernel of leaf numbers, without Python objects and without the GIL.

numba keys the machine code by the time and size of this file; therefore all that the kernel knows
but the names of its arrays is defined here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from engine.predict.arrays import Array
from engine.predict.nodes import Nodes

LANES = 16  # rows walked side by side, which hides the latency of a step


def _find(numbers: Array, codes: Array, nodes: Nodes, leaves: Array) -> None:
    """Write the leaf of each row in each tree into ``leaves``.

    Args:
        numbers: (columns, rows) float32, rows a multiple of LANES.
        codes: (code columns, rows) int32.
        nodes: The trees.
        leaves: (trees, rows) int32.
    """
    at = np.empty(LANES, np.int32)
    for t in range(leaves.shape[0]):
        first = nodes.first[t]
        if nodes.first[t + 1] == first:
            leaves[t] = 0
            continue
        for start in range(0, leaves.shape[1], LANES):
            at[:] = 0
            inside = True
            while inside:
                inside = False
                for r in range(LANES):
                    if at[r] < 0:
                        continue
                    node, row = first + at[r], start + r
                    if nodes.coded[node]:
                        code = codes[nodes.column[node], row]
                        word = min(np.int64(code >> 5), nodes.words[node])  # the last one is empty
                        bits = nodes.bits[nodes.word_first[node] + word]
                        goes_left = (bits >> np.uint32(code & 31)) & np.uint32(1) != 0
                    else:
                        goes_left = numbers[nodes.column[node], row] <= nodes.threshold[node]
                    at[r] = nodes.left[node] if goes_left else nodes.right[node]
                    inside = inside or at[r] >= 0
            for r in range(LANES):
                leaves[t, start + r] = ~at[r]


def _signature() -> Any:
    """Say the types, so that importing compiles or loads the kernel, and no call ever does."""
    i32, i64, u32, f32, flag = types.int32, types.int64, types.uint32, types.float32, types.boolean
    fields = [types.Array(kind, 1, "C") for kind in (i64, i32, f32, flag, i32, i32, i64, i64, u32)]
    tables = [types.Array(kind, 2, "C") for kind in (f32, i32)]
    return types.void(*tables, types.NamedTuple(fields, Nodes), types.Array(i32, 2, "C"))


def _compiled() -> Any:
    try:
        return njit(_signature(), nogil=True, cache=True)(_find)
    except RuntimeError:  # nowhere to keep the machine code
        return njit(_signature(), nogil=True)(_find)


find = _compiled()
