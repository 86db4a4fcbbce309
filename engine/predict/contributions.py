"""What each feature contributed to a raw score: SHAP values of LightGBM models, exact.

They are those of ``Booster.predict(pred_contrib=True)`` within 1e-12 of the largest, some 20 times
faster (``benchmarks/explain.py``), and LightGBM's own code for them, which writes out of bounds on
damaged models (CVE-2026-92786), has no part in it.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.predict.nodes import fetched
from engine.predict.trees import parse

Rows = npt.NDArray[np.float32]

_KEPT = 20  # models whose trees a process keeps laid out
_CELLS = 1 << 15  # of sums at once, 256 KiB: inside a second-level cache
_FEWEST, _MOST = 128, 1024  # rows at once: a tree's weights are made once for them

_laying_out = threading.Lock()


class Contributions:
    """A model's trees, ready to explain; safe to use from several threads.

    Attributes:
        features: Columns that the input must have.
        outputs: Raw scores per row.
    """

    def __init__(self, model_text: str) -> None:
        """Lay the trees out: 5 ms for one of 63 leaves.

        Args:
            model_text: LightGBM's model text.

        Raises:
            ModelError: The text is damaged, has linear trees, or does not say how many training
                rows went which way.
        """
        from engine.predict.contributions_tables import lay_out  # brings numba

        forest = parse(model_text)
        if forest.linear:
            raise ModelError(
                "contributions of linear trees cannot be told",
                where="parameter linear_tree of the model",
                hint="leave `explain` out, or train without linear_tree",
            )
        self.features, self.outputs = forest.features, forest.outputs
        self._trees, self._tables = len(forest.trees), lay_out(forest)

    def of(self, x: Rows, output: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.float64]:
        """Return the contributions to one raw score of each row.

        Args:
            x: (n, features) float32; NaN is missing, categories are codes.
            output: (n,) which raw score, of several; None: the only one.

        Returns:
            (n, features + 1) float64; the last column is the base, what the model says of the mean
            training row. Their sum is the raw score.
        """
        found = np.empty((len(x), self.features + 1))
        for k in range(self.outputs):
            rows = np.arange(len(x)) if output is None else np.flatnonzero(output == k)
            step = min(max(_CELLS // self.features, _FEWEST), _MOST)
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                found[some, :-1] = self._sums(x[some], k)
            found[rows, -1] = self._tables.base[k]
        return found

    def _sums(self, x: Rows, k: int) -> npt.NDArray[np.float64]:
        """Return the contributions (n, features) to raw score k."""
        from engine.predict.contributions_walk import ROWS, explain

        tables, trees = self._tables, np.arange(k, self._trees, self.outputs)
        rows = -(-len(x) // ROWS) * ROWS
        sums = np.zeros((self.features, rows))
        numbers, codes = fetched(x, tables.columns, rows)
        explain(numbers, codes, tables.nodes, tables.paths, trees, tables.at, tables.weight, sums)
        return sums[:, : len(x)].T


def contributions_of(model_text: str) -> Contributions:
    """Return what explains a model; in one process the same object for the same text.

    Raises:
        ModelError: As `Contributions` does.
    """
    with _laying_out:  # two threads that ask at once would each make one
        return _contributions(model_text)


@lru_cache(maxsize=_KEPT)
def _contributions(model_text: str) -> Contributions:
    return Contributions(model_text)
