"""LightGBM, boosted on a fold by a gang over the whole cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from distributed import Client

from engine.boosting import Conduct, Learning, RoundEvent, fit
from engine.boosting.gang.goal import bins_for, goal_of
from engine.boosting.gang.orders import fingerprint
from engine.boosting.gang.shards import shards
from engine.boosting.gang.training import tidy
from engine.place.kept import Kept
from engine.training.preparing import matrix
from engine.tuning.spread.fold import FoldRows, FoldWorth, Told
from engine.tuning.trial import Trial

if TYPE_CHECKING:
    from cluster.resources import Resources


class BoostedFolds:
    """Boosts on all workers; see `engine.tuning.spread.fold.Fitting`.

    The rows of a fold are read and binned by the first trial and stay on the workers' disks for
    the next ones: parameters that decide the bins cannot be tuned. A trial that a run left behind
    goes on from the checkpoint of its last fold.

    Args:
        client: An open Dask client.
        resources: How many workers there are, their threads and memory.
        rows: The rows of each fold.
        learning: What is learned where a trial does not say otherwise; its metric decides.
        conduct: How the work is done.
        kept: A folder for checkpoints.
    """

    def __init__(
        self,
        client: Client,
        resources: Resources,
        rows: Sequence[FoldRows],
        learning: Learning,
        conduct: Conduct,
        kept: Kept,
    ) -> None:
        """Keep all; nothing has begun."""
        self._client, self._resources, self._rows = client, resources, rows
        self._learning, self._kept = learning, kept
        self._conduct = replace(conduct, keep_bins=True)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(self._rows)

    @property
    def rounds(self) -> bool:
        """Every round is measured."""
        return True

    def fit(self, trial: Trial, fold: int, *, told: Told, cancel: Callable[[], bool]) -> FoldWorth:
        """Boost; every round is measured on the rows that are held out."""
        rows, peaks = self._rows[fold], [0]
        learning = replace(
            self._learning,
            params={**self._learning.params, **trial.params},
            rounds=trial.rounds,
        )
        name = f"valid_{learning.metric}"

        def progress(event: RoundEvent) -> None:
            peaks.append(event.peak_memory)
            if event.kind == "round":
                told(event.round, event.metrics[name])

        fitted = fit(
            self._client,
            self._resources,
            rows.source,
            rows.parts,
            _sample(rows),
            learning,
            replace(self._conduct, checkpoint=self._kept.below(f"fold-{fold + 1}.txt")),
            progress=progress,
            cancel=cancel,
        )
        values = tuple(one[name] for one in fitted.history)
        return FoldWorth(values, max(*peaks, *fitted.peak_memory))

    def close(self) -> None:
        """Remove the bins of folds; those of all rows are for the training that follows."""
        if self.folds > 1:
            for rows in self._rows:
                tidy(self._client, self._bins(rows), replace(self._conduct, keep_bins=False))

    def _bins(self, rows: FoldRows) -> str:
        """Return the name of the binned rows of a fold, as `engine.boosting.fit` gives it."""
        ranks = len(shards(rows.parts, self._resources.workers))
        goal = goal_of(rows.source, rows.parts, self._learning, self._resources.threads, ranks)
        bins = bins_for(goal, rows.source, _sample(rows), self._resources.cores)
        return fingerprint(bins, pickle.dumps(rows.source))


def _sample(rows: FoldRows) -> npt.NDArray[np.float32]:
    prepared = rows.prepared
    return matrix(prepared.pipeline, prepared.sample, training=prepared.learned)
