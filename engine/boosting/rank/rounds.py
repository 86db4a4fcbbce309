"""The boosting rounds of one rank."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import process
from engine.boosting import checkpoint
from engine.boosting.council.decisions import DISTINCT, ROUND, Decisions, RoundScores, Verdict
from engine.boosting.council.link import Council
from engine.boosting.exact.text import predicted
from engine.boosting.native import lightgbm
from engine.boosting.params.shared import without_network
from engine.boosting.rank.exactly import Exactly
from engine.boosting.rank.network import parameters
from engine.boosting.rank.stock import Part
from engine.boosting.rank.trees import Add, adder, iterations
from engine.boosting.work import Boosted, Work

WORKER = 150 * 2**20
"""Bytes of the Dask worker beside this rank; both share the bound (`engine.memory.ranks.IDLE`)."""

CHECKPOINT_SECONDS = 60.0
"""A checkpoint is written at least so often (RELIABILITY 3)."""


@dataclass
class Rounds:
    """Boosts until all ranks agree to stop.

    Attributes:
        work: What this rank was told.
        train: Returns its training rows of a subset.
        valid: Its validation rows.
        params: LightGBM's parameters, as for its datasets.
        council: Where all ranks decide.
        decisions: What was decided; only that of rank 0 is used, for checkpoints.
        tell: Called with the kind of an event and its fields.
    """

    work: Work
    train: Callable[[int], Part]
    valid: Part
    params: dict[str, Any]
    council: Council
    decisions: Decisions
    tell: Callable[..., None]
    history: list[dict[str, float]] = field(default_factory=list)
    saved: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Read the validation rows; they stay for the whole training."""
        self._data = self.valid.dataset(self.params)
        self._y = self.valid.vector("y")
        self._query = self.valid.vector("query") if self.valid.has("query") else None
        self._learning = self.work.goal.learning
        base = self._learning.base
        self._base = iterations(base) if base else 0
        classes, places = self._learning.classes, self.work.places
        exact = self._learning.reproducible
        self._exactly = Exactly(self.params, places, self.council, classes) if exact else None

    def run(self) -> Boosted:
        """Boost; all ranks return the same.

        Raises:
            lightgbm.basic.LightGBMError: LightGBM refuses the parameters, or its network fails.
        """
        start, model = self.work.start, self._learning.base
        done, best = 0, 0
        if start is not None:
            done, model = start.round, start.model
            self.history = [dict(one) for one in start.state.get("history", [])]
            best = int(start.state.get("best_round", 0))
        verdict = Verdict(False, best, {})
        booster: Any = None
        for subset, last in self._turns(done + 1):
            if booster is not None:
                model, booster = booster.model_to_string(num_iteration=-1), None
            booster = self._booster(subset, model)
            verdict, grown = self._boost(booster, last, verdict)
            if verdict.stop or not grown:
                break
        return self._boosted(booster or lightgbm().Booster(model_str=model), verdict)

    def _turns(self, first: int) -> Iterator[tuple[int, int]]:
        """Yield each subset that has its turn from a round on, with the last round of the turn."""
        rounds, length = self._learning.rounds, self._learning.turn
        for turn in range((first - 1) // length, -(-rounds // length)):
            yield turn % self._learning.subsets, min(rounds, (turn + 1) * length)

    def _booster(self, subset: int, model: str | None) -> Any:
        """Return a booster of the rows of a subset that goes on from a model."""
        # First, as compiling it takes memory that the rows need afterwards.
        add = adder(model, self._base, self._room()) if model is not None else None
        part = self.train(subset)
        if self._exactly is not None:
            booster = self._exactly.booster(part, self.valid, self._data, add, model)
        else:
            booster = self._plain(part, add, model)
        if self._data is not None:
            booster.add_valid(self._data, "valid")
        return booster

    def _plain(self, part: Part, add: Add | None, model: str | None) -> Any:
        data = part.dataset(self.params)
        part.start(data, add)
        self.valid.start(self._data, add)
        booster = lightgbm().Booster({**self.params, **parameters(self.work.places)}, data)
        if model is not None:
            before = lightgbm().Booster(model_str=model)
            basic = lightgbm().basic
            basic._safe_call(basic._LIB.LGBM_BoosterMerge(booster._handle, before._handle))
        return booster

    def _room(self) -> int | None:
        """Return the bytes that are left below the bound of this rank and its worker."""
        bound = self.work.conduct.memory
        return bound - process.held() - WORKER if bound else None

    def _boost(self, booster: Any, last: int, verdict: Verdict) -> tuple[Verdict, bool]:
        """Boost up to a round; return what was decided last, and whether trees can still grow."""
        number = booster.current_iteration() - self._base
        while number < last:
            number += 1
            if self._learning.schedule is not None:
                booster.reset_parameter({"learning_rate": self._learning.schedule(number)})
            finished = booster.update()
            if booster.current_iteration() - self._base < number:  # no tree could be grown; it is
                return verdict, False  # the same on every rank
            verdict = self._judge(booster, number)
            self.tell("round", round=number, metrics=dict(verdict.metrics))
            self._save(booster, number, verdict)
            if finished or verdict.stop:
                return verdict, not finished
        return verdict, True

    def _judge(self, booster: Any, number: int) -> Verdict:
        found = None
        if self._data is not None:
            measure, p = self.work.goal.measure, predictions(booster)
            if self._exactly is not None:
                p = predicted(p, str(self.params["objective"]))
            found = measure.each_round(self._y, p, self._query, limit=DISTINCT)
        verdict: Verdict = self.council.say(ROUND, RoundScores(number, found))
        if verdict.metrics:
            self.history.append(dict(verdict.metrics))
        return verdict

    def _save(self, booster: Any, number: int, verdict: Verdict) -> None:
        due = number % self.work.conduct.checkpoint_every == 0 or verdict.why == "asked"
        due |= time.monotonic() - self.saved > CHECKPOINT_SECONDS
        if self.work.rank or not due or self.work.scratch is None:
            return
        model = without_network(booster.model_to_string(num_iteration=-1))
        self.saved = time.monotonic()
        path = self.work.scratch / f"checkpoint-{self.work.key.hex()[:16]}.txt"
        state = self.decisions.state()
        try:
            found = checkpoint.Checkpoint(number, self._learning.rounds, model, state)
            checkpoint.write(path, found)
        except OSError as error:  # hours of training must not be lost to a full disk
            print(f"no checkpoint at round {number}: {error}", file=sys.stderr)
            return
        self.tell("checkpoint", matters=True, round=number, path=str(path))

    def _boosted(self, booster: Any, verdict: Verdict) -> Boosted:
        rounds = booster.current_iteration() - self._base
        # Without early stopping all rounds are kept, as LightGBM itself does.
        stops = self._learning.early_stopping is not None
        best = verdict.best_round
        kept = min(best, rounds) if stops and best else rounds
        model = without_network(booster.model_to_string(num_iteration=self._base + kept))
        gain = booster.feature_importance("gain", iteration=self._base + kept).tolist()
        digest = hashlib.sha256(model.encode()).hexdigest()
        return Boosted(model, digest, kept, rounds, self.history, gain, verdict.why or "")


def predictions(booster: Any) -> npt.NDArray[np.float64]:
    """Return the predictions for the validation rows that boosting keeps up to date."""
    found: list[npt.NDArray[np.float64]] = []

    def look(p: npt.NDArray[np.float64], _: object) -> tuple[str, float, bool]:
        found.append(p)
        return "seen", 0.0, False

    booster.eval_valid(look)
    return found[0]
