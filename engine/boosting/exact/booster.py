"""A booster that is given exact derivatives: the same model for any number of ranks.

LightGBM's learner for several ranks counts the rows of a leaf from second derivatives, its learner
for one rank by hand; counts decide on ``min_data_in_leaf`` and splits of categories. So the only
rank of a training has two boosters, each with some of its rows, which talk over LightGBM's network
as two ranks would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.exact.grid import Peaks
from engine.boosting.exact.slopes import Share, Slopes, aligned
from engine.boosting.exact.text import named
from engine.boosting.exact.twin import Twin
from engine.boosting.native import lightgbm

Agree = Callable[[Any], Any]
"""Takes what this rank has found, returns the sum over all ranks."""


class ExactBooster:
    """What `lightgbm.Booster` does for the rounds of a rank, with our derivatives.

    Args:
        shares: The rank's training rows: one, or two where it is the only rank.
        params: LightGBM's parameters, network apart.
        network: What LightGBM is told of its network.
        agree: How ranks agree on a round's largest derivatives.
        twin: Where the booster of the second share lives; None with one share.
        start: The scores that the datasets were started from and that are no tree's yet; empty
            where there are none.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        params: Mapping[str, Any],
        network: Mapping[str, Any],
        agree: Agree,
        twin: Twin | None = None,
        start: Sequence[float] = (),
    ) -> None:
        """Make the boosters."""
        self._shares, self._params, self._agree = shares, params, agree
        self._twin, self._start = twin, tuple(start)
        self._meeting = threading.Barrier(len(shares))
        self._found: list[Peaks] = [Peaks(0, 0, 0)] * len(shares)
        self._peaks = Peaks(0, 0, 0)
        own = {**params, **network, "objective": "none"}
        self._boosters = self._all(lambda at: lightgbm().Booster(own, shares[at].data))
        self._first = self._boosters[0]

    def merge(self, model: str) -> None:
        """Put the trees of a model in front."""
        basic = lightgbm().basic
        for booster in self._boosters:
            before = basic.Booster(model_str=model)
            basic._safe_call(basic._LIB.LGBM_BoosterMerge(booster._handle, before._handle))

    def update(self) -> bool:
        """Boost one round; return whether no tree could be grown."""
        done = self._all(lambda at: self._boosters[at].update(fobj=self._slopes(at)))
        if self._start:
            for booster in self._boosters:
                _add(booster, self._start)
            self._start = ()
        return bool(done[0])

    def model_to_string(self, num_iteration: int | None = None) -> str:
        """Return the model text, with its objective."""
        return named(self._first.model_to_string(num_iteration=num_iteration), self._params)

    def reset_parameter(self, params: dict[str, Any]) -> None:
        """Change parameters such as the learning rate."""
        for booster in self._boosters:
            booster.reset_parameter(dict(params))

    def add_valid(self, data: Any, name: str) -> None:
        """Follow validation rows."""
        self._first.add_valid(data, name)

    def eval_valid(self, look: Callable[..., Any]) -> Any:
        """Show the raw scores of the validation rows."""
        return self._first.eval_valid(look)

    def current_iteration(self) -> int:
        """Return the rounds so far."""
        return int(self._first.current_iteration())

    def feature_importance(self, importance_type: str, iteration: int | None = None) -> Any:
        """Return the importance of each feature."""
        return self._first.feature_importance(importance_type, iteration=iteration)

    def _all(self, function: Callable[[int], Any]) -> list[Any]:
        """Call for each share, side by side: LightGBM lets them wait for each other."""
        if self._twin is None:
            return [function(0)]
        return list(self._twin.both(lambda: function(0), lambda: function(1)))

    def _slopes(self, at: int) -> Callable[[npt.NDArray[np.float64], Any], Slopes]:
        share = self._shares[at]

        def slopes(scores: npt.NDArray[np.float64], _: object) -> Slopes:
            found = share.slopes(scores.reshape(len(share.y), -1), self._params)
            self._meet(at, Peaks.of(*found))
            aligned(found, self._peaks)
            first, second = (one[:, 0] if scores.ndim == 1 else one for one in found)
            return first, second

        return slopes

    def _meet(self, at: int, peaks: Peaks) -> None:
        """Wait until the peaks of all shares of all ranks are known."""
        try:
            self._found[at] = peaks
            self._meeting.wait()
            if at == 0:
                self._peaks = self._agree(sum(self._found[1:], self._found[0]))
            self._meeting.wait()
        except BaseException:
            self._meeting.abort()  # or the other one would wait for ever
            raise


def _add(booster: Any, start: Sequence[float]) -> None:
    """Add the scores of the start to the leaves of the first trees, one for each output."""
    for tree, score in enumerate(start):
        leaf = 0
        sizes = booster.dump_model(num_iteration=1)["tree_info"][tree]["num_leaves"]
        for leaf in range(sizes):
            booster.set_leaf_output(tree, leaf, booster.get_leaf_output(tree, leaf) + score)
