"""The leaf of each row in each tree of a LightGBM model."""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from engine.predict.nodes import fetched, nodes_of
from engine.predict.trees import parse

_KEPT = 20  # models whose trees a process keeps laid out
_ROWS = 4096  # at once; 30 columns and 500 trees of so many rows take 9 MiB

_laying_out = threading.Lock()


class Leaves:
    """A model's trees, ready to say where rows end; safe to use from several threads.

    Attributes:
        trees: How many there are.
    """

    def __init__(self, model_text: str) -> None:
        """Lay the trees out.

        Args:
            model_text: LightGBM's model text.

        Raises:
            ModelError: The text is damaged.
        """
        forest = parse(model_text)
        self.trees = len(forest.trees)
        self._columns, self._nodes = nodes_of(forest)

    def of(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Return what ``Booster.predict(x, pred_leaf=True)`` does.

        Args:
            x: (n, features) float32; NaN is missing, categories are codes.

        Returns:
            (n, trees) int32, leaves as LightGBM numbers them.
        """
        from engine.predict.leaves_walk import LANES, find  # brings numba, which few jobs need

        found = np.empty((len(x), self.trees), np.int32)
        for start in range(0, len(x), _ROWS):
            part = x[start : start + _ROWS]
            rows = -(-len(part) // LANES) * LANES
            leaves = np.empty((self.trees, rows), np.int32)
            find(*fetched(part, self._columns, rows), self._nodes, leaves)
            found[start : start + _ROWS] = leaves[:, : len(part)].T
        return found


def leaves_of(model_text: str) -> Leaves:
    """Return the trees of a model; in one process the same object for the same text.

    Raises:
        ModelError: The text is damaged.
    """
    with _laying_out:  # two threads that ask at once would each make one
        return _leaves(model_text)


@lru_cache(maxsize=_KEPT)
def _leaves(model_text: str) -> Leaves:
    return Leaves(model_text)
