"""The leaves of a model fitted again to other rows: its trees stay, their values move.

As ``lightgbm.Booster.refit`` does it (GBDT::RefitTree), over the rows of all ranks: tree by tree,
a leaf's new value is ``decay * old + (1 - decay) * shrinkage * best``, where best is the step that
the rows of the leaf ask for after the trees before it. Rows are read again for every tree, so that
no more than a tile of them is held.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.council.decisions import LEAVES
from engine.boosting.council.link import Council
from engine.boosting.exact.losses import LOSSES
from engine.boosting.native import lightgbm
from engine.boosting.params.shared import without_network
from engine.boosting.rank.stock import TILE, Part
from engine.boosting.work import Boosted, Work

Array = npt.NDArray[Any]

EPSILON = 1e-15
"""LightGBM's ``kEpsilon``, with which a leaf's sum of second derivatives begins."""


@dataclass
class Refit:
    """Fits the leaves of ``Learning.base`` again.

    Attributes:
        work: What this rank was told.
        train: Its training rows, stored as they are: old thresholds are no bounds of new bins.
        council: Where sums of all ranks meet.
    """

    work: Work
    train: Part
    council: Council

    def run(self) -> Boosted:
        """Fit; all ranks return the same."""
        learning = self.work.goal.learning
        assert learning.base is not None
        booster = lightgbm().Booster(model_str=learning.base)
        rounds, outputs = booster.current_iteration(), booster.num_model_per_iteration()
        shrinkage = [float(found) for found in re.findall(r"\nshrinkage=(\S+)", learning.base)]
        sizes = [int(found) for found in re.findall(r"\nnum_leaves=(\d+)", learning.base)]
        y = self.train.vector("y").astype(np.float64)[:, None]
        weight = self.train.vector("weight") if self.train.has("weight") else None
        scores = np.zeros((self.train.rows, outputs))
        params = self.work.goal.params
        slopes = LOSSES[params["objective"]]
        for round in range(rounds):
            leaves = np.concatenate([*self._leaves(booster, round, outputs)])
            first, second = slopes(scores, y, params)
            if weight is not None:
                first, second = first * weight[:, None], second * weight[:, None]
            for output in range(outputs):
                tree, own = round * outputs + output, leaves[:, output]
                sums = _sums(own, first[:, output], second[:, output], sizes[tree])
                best = self._best(self.council.say(LEAVES, sums))
                values = self._moved(booster, tree, best * shrinkage[tree])
                scores[:, output] += values[own]
        return self._boosted(booster, rounds)

    def _leaves(self, booster: Any, round: int, outputs: int) -> Iterator[Array]:
        """Yield the leaves of the rows, tile by tile."""
        yield np.empty((0, outputs), np.int64)
        for piece in self.train.pieces:
            for start in range(piece.start, piece.stop, TILE):
                cells = piece.block.cells(start, min(start + TILE, piece.stop))
                x = self.train.blocks.coder.decode(list(cells))
                kept = {"start_iteration": round, "num_iteration": 1}
                found = booster.predict(x, pred_leaf=True, **kept)
                yield np.asarray(found, np.int64).reshape(len(x), outputs)

    def _best(self, sums: Array) -> Array:
        """Return the step of each leaf, from its sums of derivatives, shape (leaves, 2)."""
        params = self.work.goal.params
        l1, l2 = float(params.get("lambda_l1", 0)), float(params.get("lambda_l2", 0))
        most = float(params.get("max_delta_step", 0))
        shrunk = np.sign(sums[:, 0]) * np.maximum(np.abs(sums[:, 0]) - l1, 0)
        best: Array = -shrunk / (sums[:, 1] + EPSILON + l2)
        return np.clip(best, -most, most) if most > 0 else best

    def _moved(self, booster: Any, tree: int, best: Array) -> Array:
        """Set the leaves of a tree; return their values."""
        decay = self.work.goal.learning.refit
        assert decay is not None
        count = len(best)
        old = np.array([booster.get_leaf_output(tree, leaf) for leaf in range(count)])
        values: Array = decay * old + (1 - decay) * best
        for leaf, value in enumerate(values):
            booster.set_leaf_output(tree, leaf, value)
        return values

    def _boosted(self, booster: Any, rounds: int) -> Boosted:
        model = without_network(booster.model_to_string(num_iteration=-1))
        gain = booster.feature_importance("gain").tolist()
        digest = hashlib.sha256(model.encode()).hexdigest()
        return Boosted(model, digest, rounds, rounds, [], gain)


def _sums(leaves: Array, first: Array, second: Array, count: int) -> Array:
    """Return the sums of both derivatives over the rows of each leaf, shape (count, 2)."""
    return np.stack([np.bincount(leaves, one, count) for one in (first, second)], axis=1)
