"""The boosting rounds of one rank."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.council.decisions import DISTINCT, ROUND, RoundScores, Verdict
from engine.boosting.council.link import Council
from engine.boosting.native import lightgbm
from engine.boosting.params.shared import network, without_network
from engine.boosting.rank import checkpoint
from engine.boosting.rank.loading import Binned
from engine.boosting.work import Boosted, Work

CHECKPOINT_SECONDS = 60.0
"""A checkpoint is written at least so often (RELIABILITY 3)."""


@dataclass
class Rounds:
    """Boosts until all ranks agree to stop.

    Attributes:
        work: What this rank was told.
        train: Its training rows.
        valid: Its validation rows.
        council: Where all ranks decide.
        tell: Called with each round and its metrics.
        history: Metrics so far.
    """

    work: Work
    train: Binned
    valid: Binned
    council: Council
    tell: Callable[[int, Mapping[str, float]], None]
    history: list[dict[str, float]] = field(default_factory=list)
    saved: float = field(default_factory=time.monotonic)

    def run(self) -> Boosted:
        """Boost; all ranks return the same.

        Raises:
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters, or its network fails.
        """
        booster = self._booster()
        best = self._boost(booster)
        rounds = booster.current_iteration()
        # Without early stopping all rounds are kept, as LightGBM itself does.
        stops = self.work.goal.learning.early_stopping is not None
        kept = min(best, rounds) if stops and best else rounds
        model = without_network(booster.model_to_string(num_iteration=kept))
        gain = booster.feature_importance("gain", iteration=kept).tolist()
        if self.work.places[1:]:
            booster.free_network()
        digest = hashlib.sha256(model.encode()).hexdigest()
        return Boosted(model, digest, kept, rounds, self.history, gain)

    def _booster(self) -> Any:
        places = [(place.host, place.port) for place in self.work.places]
        own = network(places, self.work.place.port)
        booster = lightgbm().Booster({**self.train.data.params, **own}, self.train.data)
        if self.valid.data is not None:
            booster.add_valid(self.valid.data, "valid")
        return booster

    def _boost(self, booster: Any) -> int:
        """Boost and return the best round; 0 without validation rows."""
        best = 0
        for number in range(1, self.work.goal.learning.rounds + 1):
            finished = booster.update()
            if booster.current_iteration() < number:  # no tree could be grown; it is the same
                break  # on every rank
            verdict = self._judge(booster, number)
            best = verdict.best_round
            self.tell(number, verdict.metrics)
            self._save(booster, number)
            if finished or verdict.stop:
                break
        return best

    def _judge(self, booster: Any, number: int) -> Verdict:
        if not self.work.goal.has_valid:
            return Verdict(False, 0, {})
        found = None
        if self.valid.data is not None:
            p = _predictions(booster)
            found = self.work.goal.measure.of(self.valid.y, p, limit=DISTINCT)
        verdict: Verdict = self.council.say(ROUND, RoundScores(number, found))
        self.history.append(verdict.metrics)
        return verdict

    def _save(self, booster: Any, number: int) -> None:
        path = self.work.conduct.checkpoint
        due = number % self.work.conduct.checkpoint_every == 0
        due |= time.monotonic() - self.saved > CHECKPOINT_SECONDS
        if path is None or self.work.rank or not due:
            return
        model = without_network(booster.model_to_string(num_iteration=-1))
        self.saved = time.monotonic()
        try:
            most = self.work.goal.learning.rounds
            checkpoint.write(path, checkpoint.Checkpoint(number, most, model))
        except OSError as error:  # hours of training must not be lost to a full disk
            print(f"no checkpoint at round {number}: {error}", file=sys.stderr)


def _predictions(booster: Any) -> npt.NDArray[np.float64]:
    """Return the predictions for the validation rows that boosting keeps up to date."""
    found: list[npt.NDArray[np.float64]] = []

    def look(p: npt.NDArray[np.float64], _: object) -> tuple[str, float, bool]:
        found.append(p)
        return "seen", 0.0, False

    booster.eval_valid(look)
    return found[0]
