"""The kernel of contributions: exact SHAP values of trees, without Python objects or the GIL.

A leaf of value v says ``v`` times the product, over the features on its path, of ``z + t (o - z)``
when each feature is known with probability t: ``o`` is 1 if the row passes all decisions on that
feature, and ``z`` is the share of the training rows that pass them. The Shapley value of a feature
is the integral over t in [0, 1] of the derivative by that feature (Owen, "Multilinear extensions of
games", 1972). The integrand is a polynomial of a degree below the number of features on a path, so
that Gauss-Legendre quadrature with half as many points gives it exactly; and as in Linear TreeSHAP
(Yu et al., NeurIPS 2022), one walk down and up a tree serves all its leaves and features: down it
goes with the product at each point, up with the sums over leaves. The effort is leaves x points,
where the usual algorithm takes leaves x depth²; all weights are positive, so nothing cancels.

Rows go in blocks, each operation over the rows of a block: LLVM makes vector instructions of it. A
row's sums run in the same order whichever rows stand beside it, without fused multiplications:
equal bits on every machine. numba keys the machine code by the time and size of this file;
therefore all that the kernel knows but the names of its arrays is defined here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from engine.predict.arrays import Array
from engine.predict.nodes import Nodes

ROWS = 32  # rows of a block: products and sums of a tree of depth 12 take some 30 KiB
APART, LEFT, RIGHT = 0, 1, 2
_NODE, _LEAF = 0, 5  # first coefficient of a node's own edge, and of its leaves
_KINDS = 10


class Paths(NamedTuple):
    """How each tree is walked, and of each of its nodes what was decided above it."""

    step_first: Array  # (trees + 1,) int64, into step
    step: Array  # int32: node of the tree that is entered, or ``~node`` that is left
    points: Array  # (trees,) int64, points of the quadrature
    feature: Array  # int32
    depth: Array  # int32
    side: Array  # int64: LEFT or RIGHT child of its parent
    parent: Array  # int32, node of the same tree
    before: Array  # int32, depth of the node above that decided on the same feature; -1: none
    way: Array  # int64: the side on which this node is of that one
    share: Array  # (nodes, 3) float64: z of its feature above it, after LEFT and after RIGHT
    leaf: Array  # (nodes, 3) float64: nothing, value of its LEFT and RIGHT leaf, 0 if it has none
    leaves: Array  # bool: it has a leaf


@njit(nogil=True)
def _weigh(paths: Paths, first: int, nodes: int, at: Array, weight: Array, out: Array) -> None:
    """Write what a tree multiplies with at each point into ``out`` (_KINDS, nodes x points).

    Args:
        paths: The trees.
        first: First node of the tree.
        nodes: How many it has.
        at: (points,) places in [0, 1].
        weight: (points,) weights of the quadrature.
        out: First the factor of the node's own edge, if the row was apart from its feature before,
            goes that way, or the other way; the share of the sum below it that its parent's
            feature gets in the latter two cases. Then of its leaves together: their values times
            factors in the cases APART, LEFT, RIGHT, and times shares in the latter two.
    """
    points = at.size
    for n in range(nodes):
        share, above = paths.share[first + n], paths.share[first + paths.parent[first + n]]
        for q in range(points):
            i = n * points + q
            own = _factors(above[APART], above[paths.side[first + n]], at[q], weight[q])
            out[_NODE, i], out[_NODE + 1, i], out[_NODE + 2, i] = own[0], own[1], own[2]
            out[_NODE + 3, i], out[_NODE + 4, i] = own[3], own[4]
            out[_LEAF:, i] = 0.0
            for side in (LEFT, RIGHT):
                value, other = paths.leaf[first + n, side], LEFT + RIGHT - side
                own = _factors(share[APART], share[side], at[q], weight[q])
                out[_LEAF, i] += value * own[0]
                out[_LEAF + side, i] += value * own[1]
                out[_LEAF + other, i] += value * own[2]
                out[_LEAF + 2 + side, i] += value * own[1] * own[3]
                out[_LEAF + 2 + other, i] += value * own[2] * own[4]


@njit(nogil=True)
def _factors(
    old: float, new: float, t: float, weight: float
) -> tuple[float, float, float, float, float]:
    """Return what a decision does to the product at t, in three cases, and the shares in two.

    Args:
        old: Share of the training rows that pass all decisions on the feature so far.
        new: Share of those that pass this one too.
        t: Place in [0, 1].
        weight: Its weight.
    """
    away = 1.0 - t
    before, after = old * away + t, new * away + t  # the feature's factor, if the row passes
    gone = weight * (1.0 - old) / before
    won, lost = weight * (1.0 - new) / after - gone, -weight / away - gone
    return new / old, after / before, new * away / before, won, lost


@njit(nogil=True)
def _decide(nodes: Nodes, n: int, numbers: Array, codes: Array, start: int, case: Array) -> None:
    """Tell, of each row of a block, which way it goes at node n."""
    if nodes.coded[n]:
        chosen, last = codes[nodes.column[n]], nodes.words[n]
        for r in range(ROWS):
            code = chosen[start + r]
            word = min(np.int64(code >> 5), last)  # the last word is empty
            bits = nodes.bits[nodes.word_first[n] + word]
            case[r] = LEFT if (bits >> np.uint32(code & 31)) & np.uint32(1) else RIGHT
    else:
        values, threshold = numbers[nodes.column[n]], nodes.threshold[n]
        for r in range(ROWS):
            case[r] = LEFT if values[start + r] <= threshold else RIGHT  # NaN goes right


@njit(nogil=True)
def _add_tree(
    nodes: Nodes,
    paths: Paths,
    t: int,
    numbers: Array,
    codes: Array,
    start: int,
    own: Array,
    case: Array,
    down: Array,
    up: Array,
    phi: Array,
) -> None:
    """Add tree t to ``phi`` (features, rows), for the block of rows from ``start`` on.

    ``own`` is what `_weigh` wrote; ``case`` (depth, ROWS), ``down`` and ``up`` (depth, points,
    ROWS) are of this function.
    """
    first, points = nodes.first[t], paths.points[t]
    for s in range(paths.step_first[t], paths.step_first[t + 1]):
        step = paths.step[s]
        local = step if step >= 0 else ~step
        n, place = first + local, local * points
        d = paths.depth[n]
        if step >= 0:
            if d:
                _multiply(down[d - 1], case[d - 1], paths.side[n], own, place, points, down[d])
            here = case[d]
            _decide(nodes, n, numbers, codes, start, here)
            if paths.before[n] >= 0:
                earlier, way = case[paths.before[n]], paths.way[n]
                for r in range(ROWS):
                    here[r] = here[r] if earlier[r] == way else APART
            total = phi[paths.feature[n], start : start + ROWS]
            if paths.leaves[n]:
                _end(down[d], here, own, place, points, total, up[d])
            else:
                up[d, :points] = 0.0
        else:
            above = first + paths.parent[n]
            total = phi[paths.feature[above], start : start + ROWS]
            _collect(up[d], case[d - 1], paths.side[n], own, place, points, total, up[d - 1])


@njit(nogil=True)
def _multiply(
    above: Array, case: Array, side: int, own: Array, place: int, points: int, here: Array
) -> None:
    """Go down an edge: multiply with the factor of its feature."""
    for q in range(points):
        i = place + q
        apart, hit, missed = own[_NODE, i], own[_NODE + 1, i], own[_NODE + 2, i]
        old, new = above[q], here[q]
        for r in range(ROWS):
            other = apart if case[r] == APART else missed
            new[r] = old[r] * (hit if case[r] == side else other)


@njit(nogil=True)
def _end(
    here: Array, case: Array, own: Array, place: int, points: int, total: Array, sums: Array
) -> None:
    """Take the leaves of a node, both at once."""
    for q in range(points):
        i = place + q
        apart, left, right = own[_LEAF, i], own[_LEAF + 1, i], own[_LEAF + 2, i]
        won, lost = own[_LEAF + 3, i], own[_LEAF + 4, i]
        product, up = here[q], sums[q]
        for r in range(ROWS):
            value = right if case[r] == RIGHT else apart
            share = lost if case[r] == RIGHT else 0.0
            up[r] = product[r] * (left if case[r] == LEFT else value)
            total[r] += product[r] * (won if case[r] == LEFT else share)


@njit(nogil=True)
def _collect(
    below: Array,
    case: Array,
    side: int,
    own: Array,
    place: int,
    points: int,
    total: Array,
    sums: Array,
) -> None:
    """Go up an edge: its feature gets its share of the sum below, and the node above the sum."""
    for q in range(points):
        won, lost = own[_NODE + 3, place + q], own[_NODE + 4, place + q]
        value, up = below[q], sums[q]
        for r in range(ROWS):
            share = 0.0 if case[r] == APART else lost
            up[r] += value[r]
            total[r] += value[r] * (won if case[r] == side else share)


def _explain(
    numbers: Array,
    codes: Array,
    nodes: Nodes,
    paths: Paths,
    chosen: Array,
    at: Array,
    weight: Array,
    phi: Array,
) -> None:
    """Add the contributions of some trees to ``phi`` (features, rows) float64.

    Args:
        numbers: (columns, rows) float32, as ``walk`` compares them; rows are a multiple of ROWS.
        codes: (code columns, rows) int32.
        nodes: The trees.
        paths: How they are walked.
        chosen: (k,) int64, numbers of the trees, in the order in which they are added.
        at: (points + 1, points) float64: row p has the p places of the quadrature.
        weight: As ``at``: their weights.
        phi: Sums so far.
    """
    deepest, most, size = 0, 1, 1
    for t in chosen:
        first, last = nodes.first[t], nodes.first[t + 1]
        for n in range(first, last):
            deepest = max(deepest, paths.depth[n])
        most = max(most, paths.points[t])
        size = max(size, (last - first) * paths.points[t])
    own = np.empty((_KINDS, size), np.float64)
    case = np.empty((deepest + 1, ROWS), np.int64)
    down = np.ones((deepest + 1, most, ROWS), np.float64)
    up = np.empty((deepest + 1, most, ROWS), np.float64)
    for t in chosen:
        first, points = nodes.first[t], paths.points[t]
        size = nodes.first[t + 1] - first
        _weigh(paths, first, size, at[points, :points], weight[points, :points], own)
        for start in range(0, phi.shape[1], ROWS):
            _add_tree(nodes, paths, t, numbers, codes, start, own, case, down, up, phi)


def _signature() -> Any:
    """Say the types, so that importing compiles or loads the kernel, and no call ever does."""
    i32, i64, f32, f64 = types.int32, types.int64, types.float32, types.float64
    u32, flag = types.uint32, types.boolean

    def flat(*dtypes: Any, dimensions: int = 1) -> list[Any]:
        return [types.Array(dtype, dimensions, "C") for dtype in dtypes]

    fields = [
        *flat(i64, i32, i64, i32, i32, i64, i32, i32, i64),
        *flat(f64, f64, dimensions=2),
        *flat(flag),
    ]
    paths = types.NamedTuple(fields, Paths)
    nodes = types.NamedTuple(flat(i64, i32, f32, flag, i32, i32, i64, i64, u32), Nodes)
    square = flat(f64, f64, f64, dimensions=2)
    return types.void(*flat(f32, i32, dimensions=2), nodes, paths, *flat(i64), *square)


def _compiled() -> Any:
    try:
        return njit(_signature(), nogil=True, cache=True)(_explain)
    except RuntimeError:  # nowhere to keep the machine code
        return njit(_signature(), nogil=True)(_explain)


explain = _compiled()
