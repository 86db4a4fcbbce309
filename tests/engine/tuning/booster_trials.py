"""Trials that train real LightGBM boosters on the folds of a small real set, in threads."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import lightgbm as lgb
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold

from engine.tuning.trial import Ended, Heard, Trial

QUIET = {
    "verbosity": -1,
    "num_threads": 1,
    "objective": "binary",
    "metric": "binary_logloss",
    "deterministic": True,
    "force_col_wise": True,
}


class BoosterTrials:
    """Implements `engine.tuning.trial.Trials` in this process.

    Args:
        slots: Trials at once.
        before: Called with each trial before it begins to train, such as to fail or to wait.
    """

    def __init__(self, slots: int = 1, before=lambda trial: None) -> None:
        self._slots, self._before = slots, before
        self.x, self.y = load_breast_cancer(return_X_y=True)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        self.folds = list(folds.split(self.x, self.y))
        self.started: list[Trial] = []
        self.stops: list[int] = []
        self.most = 0
        self._under_way = 0
        self._told: queue.Queue[Heard | Ended] = queue.Queue()
        self._stop: dict[int, threading.Event] = {}
        self._pool = ThreadPoolExecutor(slots)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stop in self._stop.values():
            stop.set()
        self._pool.shutdown()

    @property
    def slots(self) -> int:
        return self._slots

    def start(self, trial: Trial) -> None:
        self.started.append(trial)
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        self._stop[trial.number] = threading.Event()
        self._pool.submit(self._run, trial)

    def stop(self, number: int) -> None:
        self.stops.append(number)
        self._stop[number].set()

    def heard(self, seconds: float) -> Iterator[Heard | Ended]:
        try:
            event = self._told.get(timeout=seconds)
        except queue.Empty:
            return
        while True:
            self._under_way -= isinstance(event, Ended)
            yield event
            try:
                event = self._told.get_nowait()
            except queue.Empty:
                return

    def _run(self, trial: Trial) -> None:
        began, stop = time.monotonic(), self._stop[trial.number]
        try:
            self._before(trial)
            means = []
            for round, folds in enumerate(self._rounds(trial), 1):
                means.append((float(np.mean(folds)), round, folds))
                self._told.put(Heard(trial.number, round, means[-1][0], folds))
                if stop.is_set():
                    break
            value, best, folds = min(means)
            state = "pruned" if stop.is_set() else "done"
            seconds = time.monotonic() - began
            self._told.put(Ended(trial.number, state, value, best, folds, seconds, 1))
        except Exception as error:
            self._told.put(Ended(trial.number, "failed", reason=str(error)))

    def _rounds(self, trial: Trial) -> Iterator[tuple[float, ...]]:
        """Yield the log loss of each fold after every round."""
        params = {**QUIET, **trial.params}
        boosters = []
        for train, valid in self.folds:
            data = lgb.Dataset(self.x[train], self.y[train], params=params)
            booster = lgb.Booster(params, data)
            booster.add_valid(data.create_valid(self.x[valid], self.y[valid]), "held out")
            boosters.append(booster)
        for _ in range(trial.rounds):
            for booster in boosters:
                booster.update()
            yield tuple(float(booster.eval_valid()[0][2]) for booster in boosters)
