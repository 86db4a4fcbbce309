"""A checked forest laid out for the kernel of ``contributions_walk``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.predict.arrays import Columns
from engine.predict.columns import joined, offsets
from engine.predict.contributions_walk import APART, LEFT, RIGHT, Paths
from engine.predict.nodes import Nodes, nodes_of
from engine.predict.trees import Forest, Tree

Array = npt.NDArray[Any]

# Where the counts of a model say that no training row went some way, the share is taken to be this
# small instead of 0, by which the kernel divides; the error is of this order.
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class PathTables:
    """What the kernel takes.

    Attributes:
        columns: What to fetch from a row.
        nodes: The trees.
        paths: How they are walked.
        base: (outputs,) float64, what the trees of each output say of the mean training row.
        at: (points + 1, points) float64, places of Gauss-Legendre quadratures on [0, 1].
        weight: As ``at``, their weights.
    """

    columns: Columns
    nodes: Nodes
    paths: Paths
    base: npt.NDArray[np.float64]
    at: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Path:
    """One tree; fields as in ``Paths``."""

    step: list[int]
    depth: Array
    side: Array
    parent: Array
    before: Array
    way: Array
    share: Array
    leaf: Array
    leaves: Array
    most: int


def lay_out(forest: Forest) -> PathTables:
    """Lay out a forest without linear trees.

    Raises:
        ModelError: The model does not say how many training rows went which way.
    """
    for number, tree in enumerate(forest.trees):
        if len(tree.leaf_count) != len(tree.leaf) or len(tree.inner_count) != len(tree.feature):
            raise ModelError(
                "the model does not say how many training rows went which way",
                where=f"tree {number}, leaf_count and internal_count",
                hint="contributions need these counts; leave `explain` out",
            )
    trees = forest.trees
    found = [_path(tree) for tree in trees]
    points = np.array([max(1, -(-one.most // 2)) for one in found], np.int64)
    paths = Paths(
        offsets([one.step for one in found]),
        joined([one.step for one in found], np.int32),
        points,
        joined([tree.feature for tree in trees], np.int32),
        joined([one.depth for one in found], np.int32),
        joined([one.side for one in found], np.int64),
        joined([one.parent for one in found], np.int32),
        joined([one.before for one in found], np.int32),
        joined([one.way for one in found], np.int64),
        np.concatenate([np.empty((0, 3)), *(one.share for one in found)]),
        np.concatenate([np.empty((0, 3)), *(one.leaf for one in found)]),
        joined([one.leaves for one in found], np.bool_),
    )
    base = np.zeros(forest.outputs)
    for number, tree in enumerate(trees):
        base[number % forest.outputs] += _mean(tree)
    return PathTables(*nodes_of(forest), paths, base, *_quadratures(int(points.max(initial=1))))


def _path(tree: Tree) -> _Path:
    """Follow every path of a tree: which feature was decided on before, and what passes."""
    nodes = len(tree.feature)
    depth, side, parent = np.zeros(nodes, int), np.zeros(nodes, int), np.zeros(nodes, int)
    before, way = np.full(nodes, -1), np.zeros(nodes, int)
    share, leaf = np.ones((nodes, 3)), np.zeros((nodes, 3))
    children = {LEFT: tree.left.tolist(), RIGHT: tree.right.tolist()}
    features, most, step = tree.feature.tolist(), 1, []
    # A node to enter with what was decided above it, by feature: (depth, side, share); or to leave.
    todo: list[tuple[int, dict[int, tuple[int, int, float]]]] = [(0, {})] if nodes else []
    while todo:
        node, decided = todo.pop()
        step.append(node)
        if node < 0:
            continue
        feature = features[node]
        before[node], way[node], passing = decided.get(feature, (-1, 0, 1.0))
        share[node, APART] = passing
        for which in (RIGHT, LEFT):
            child = children[which][node]
            passes = max(passing * _portion(tree, node, child), _LEAST)
            share[node, which] = passes
            below = {**decided, feature: (int(depth[node]), which, passes)}
            most = max(most, len(below))
            if child < 0:
                leaf[node, which] = tree.leaf[~child]
            else:
                depth[child], side[child], parent[child] = depth[node] + 1, which, node
                todo += [(~child, {}), (child, below)]
    ends = (tree.left < 0) | (tree.right < 0)
    return _Path(step, depth, side, parent, before, way, share, leaf, ends, most)


def _portion(tree: Tree, node: int, child: int) -> float:
    """Return the share of a node's training rows that went to a child."""
    count = max(int(tree.inner_count[node]), 0)
    there = int(tree.leaf_count[~child] if child < 0 else tree.inner_count[child])
    return max(there, 0) / count if count else 0.5


def _mean(tree: Tree) -> float:
    """Return what a tree says of its training rows in the mean."""
    if not len(tree.feature) or not tree.inner_count[0]:
        return float(tree.leaf[0])
    return float(np.sum(tree.leaf_count / tree.inner_count[0] * tree.leaf))


def _quadratures(most: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return places and weights of the Gauss-Legendre quadratures of up to ``most`` points."""
    at, weight = np.zeros((most + 1, most)), np.zeros((most + 1, most))
    for points in range(1, most + 1):
        x, w = np.polynomial.legendre.leggauss(points)
        at[points, :points], weight[points, :points] = (x + 1) / 2, w / 2
    return at, weight
