"""What the trees so far say of rows that are stored as bins.

Thresholds of trees are bounds of bins, so a value of the bin goes the way of the row itself.
Scores are added tree by tree, as LightGBM adds them while it boosts: training that goes on from
them has the bits of training that was never interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.boosting.native import lightgbm
from engine.predict.trees import parse

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]
Add = Callable[[Rows, Scores], None]
"""Adds raw scores of rows, shape (n, features), to scores, shape (n, outputs)."""

KERNEL = 60 * 2**20
"""Bytes of our kernel: LLVM (45), and its tables; it is compiled in a process of its own."""

CHECKED = 256
"""Rows of the first call that are held against LightGBM."""


def iterations(model: str) -> int:
    """Return the rounds that a model text holds."""
    forest = parse(model)
    return len(forest.trees) // forest.outputs


def adder(model: str, first: int, room: int | None) -> Add:
    """Return what adds the raw scores of the trees of a model from a round on.

    Args:
        model: LightGBM model text.
        first: Rounds that are left out.
        room: Bytes that may be taken; None = as many as needed.
    """
    booster = lightgbm().Booster(model_str=model)
    rounds = booster.current_iteration()
    if rounds <= first:
        return lambda x, scores: None
    text = booster.model_to_string(start_iteration=first, num_iteration=rounds - first)

    def slow(x: Rows, scores: Scores) -> None:
        found = booster.predict(x, raw_score=True, start_iteration=first)
        scores += np.asarray(found).reshape(scores.shape)

    return _Checked(_fast(text) if room is None or room > KERNEL else None, slow)


class _Checked:
    """Adds by our kernel, if it has LightGBM's bits on the first rows."""

    def __init__(self, fast: Add | None, slow: Add) -> None:
        self._fast, self._slow, self._known = fast, slow, False

    def __call__(self, x: Rows, scores: Scores) -> None:
        if not self._known and self._fast is not None and len(x):
            self._known = True
            ours, theirs = np.zeros((2, len(x[:CHECKED]), scores.shape[1]))
            self._fast(x[:CHECKED], ours)
            self._slow(x[:CHECKED], theirs)
            if ours.tobytes() != theirs.tobytes():
                print("scores by LightGBM itself, which is slower: ours differ", file=sys.stderr)
                self._fast = None
        (self._fast or self._slow)(x, scores)


def _fast(text: str) -> Add | None:
    forest = parse(text)
    if forest.linear:
        return None
    try:
        from engine.predict.kernel import load, score
        from engine.predict.tables import lay_out

        load()
    except Exception as error:  # numba without a cache folder, a version clash, ...
        print(f"scores by LightGBM itself, which is slower: {error}", file=sys.stderr)
        return None
    tables = lay_out(forest)
    return lambda x, scores: score(x, *tables, scores)
