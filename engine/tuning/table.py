"""What a search came to: for the report, for the bundle, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

import polars as pl

from engine.tuning.history import Record
from engine.tuning.sampler import distributions, study
from engine.tuning.search import best
from engine.tuning.space import Choice, Space

FEWEST = 8
"""From so many trials with a value on it is worth asking which parameter matters."""


@dataclass(frozen=True)
class Found:
    """All trials of a search, and what was searched.

    Attributes:
        method: How it was searched.
        metric: What decided.
        higher: Whether more of it is better.
        folds: Folds that a trial was measured on; 0: on the validation rows.
        space: What was tried.
        records: All trials, by number.
    """

    method: str
    metric: str
    higher: bool
    folds: int
    space: Space
    records: Sequence[Record]

    @property
    def best(self) -> Record:
        """The trial with the best value."""
        found = best(self.records, self.higher)
        assert found is not None  # a search without one is an error
        return found

    def told(self) -> dict[str, Any]:
        """Return plain JSON values: the winner, all trials, the best value so far by trial.

        A plot of a parameter, or of all of them side by side, is made from ``trials``.
        """
        counts = [one.state for one in self.records]
        return {
            "method": self.method,
            "metric": self.metric,
            "higher_is_better": self.higher,
            "folds": self.folds,
            "best": self.best.number,
            "params": dict(self.best.params),
            "value": self.best.value,
            "best_round": self.best.best_round,
            "states": {state: counts.count(state) for state in ("done", "pruned", "failed")},
            "importance": self.importance(),
            "best_so_far": self.best_so_far(),
            "trials": [one.told() for one in self.records],
        }

    def best_so_far(self) -> list[float | None]:
        """Return the best value up to each trial; None before the first that has one."""
        sign = -1.0 if self.higher else 1.0
        worst = float("inf")
        losses = [worst if one.value is None else sign * one.value for one in self.records]
        return [None if loss == worst else sign * loss for loss in accumulate(losses, min)]

    def importance(self) -> dict[str, float]:
        """Return how much of the values' variance each parameter explains, the largest first.

        By fANOVA (Hutter et al. 2014) of Optuna, which needs scikit-learn; empty without them,
        with too few trials that came to their end, or where all have the same value.
        """
        ended = [one for one in self.records if one.state == "done"]
        if len(ended) < FEWEST or len({one.value for one in ended}) == 1:
            return {}
        if find_spec("optuna") is None or find_spec("sklearn") is None:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        varied = {n: d for n, d in distributions(self.space).items() if not d.single()}
        with study(self.space, ended, self.higher) as asked:
            evaluator = FanovaImportanceEvaluator(seed=0)
            found = get_param_importances(asked, evaluator=evaluator, params=list(varied))
        return {name: float(share) for name, share in found.items()}

    def table(self) -> pl.DataFrame:
        """Return a row a trial: what it came to, and its parameters as ``params.<name>``.

        Choices of several kinds are told as text.
        """
        frame = pl.DataFrame(
            {
                "number": [one.number for one in self.records],
                "state": [one.state for one in self.records],
                "value": pl.Series([one.value for one in self.records], dtype=pl.Float64),
                "best_round": [one.best_round for one in self.records],
                "rounds": [max(one.rounds, default=0) for one in self.records],
                "seconds": [float(one.seconds) for one in self.records],
                "peak_memory": [one.peak_memory for one in self.records],
            }
        )
        return frame.with_columns(self._column(name) for name in self.space)

    def _column(self, name: str) -> pl.Series:
        values = [one.params[name] for one in self.records]
        given = self.space[name]
        kinds = {type(value) for value in values}
        if isinstance(given, Choice) and len(kinds) > 1:
            values = [str(value) for value in values]
        return pl.Series(f"params.{name}", values)
