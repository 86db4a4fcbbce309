"""Trials that have ended, kept one file each, so that a search goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.place.kept import Kept
from engine.place.place import each
from engine.tuning.curve import Curve

State = Literal["done", "pruned", "failed"]


@dataclass(frozen=True)
class Record:
    """A trial that has ended.

    Attributes:
        number: From 0 on.
        params: What it tried.
        state: ``done``: all rounds, or early stopping; ``pruned``: it was stopped; ``failed``.
        value: Mean of the metric over the folds at the best round; of a trial that was stopped at
            the best round until then; ``None``: there is none.
        best_round: That round, from 1 on; 0: there is none.
        folds: The metric of each fold at that round, where it is known.
        rounds: The rounds that were heard of, rising; of a trial whose folds come one after the
            other numbers of folds, but for the last.
        values: Mean of the metric over the folds after each of them.
        seconds: That it took.
        ended: Seconds of the search until it ended, those before a kill included.
        peak_memory: Highest bytes of a worker, its child processes included.
        reason: Why it failed.
    """

    number: int
    params: Mapping[str, Any]
    state: State
    value: float | None = None
    best_round: int = 0
    folds: tuple[float, ...] = field(default=())
    rounds: tuple[int, ...] = field(default=())
    values: tuple[float, ...] = field(default=())
    seconds: float = 0.0
    ended: float = 0.0
    peak_memory: int = 0
    reason: str = ""

    def curve(self, sign: int, kind: type[Curve] = Curve) -> Curve:
        """Return its losses.

        Args:
            sign: 1 when less of the metric is better, -1 when more is.
            kind: What the trials of the search are compared by.
        """
        losses = [sign * value for value in self.values]
        return kind.of(self.rounds, losses, self.state == "done")

    def told(self) -> dict[str, Any]:
        """Return plain JSON values, without the course of its rounds."""
        named = {**asdict(self), "trained": max(self.rounds, default=0)}
        return {name: value for name, value in named.items() if name not in ("rounds", "values")}


@dataclass(frozen=True)
class History:
    """Where trials that have ended are kept.

    Each is a file, which appears whole: whoever is killed between two trials loses none, and one
    that is under way is tried again.

    Attributes:
        folder: The files are in it.
    """

    folder: Kept

    def add(self, record: Record) -> None:
        """Keep a trial; an earlier try of the same one is replaced."""
        text = json.dumps(asdict(record), allow_nan=False)
        self.folder.below(f"{record.number:06d}.json").replace(text.encode())

    def read(self) -> dict[int, Record]:
        """Return all trials that are kept, by number, rising."""
        place = self.folder.place
        names = [entry.name for entry in place.entries(self.folder.name)]
        texts = each(place, place.read, [name for name in names if name.endswith(".json")])
        found = [_record(json.loads(text)) for text in texts if text]
        return {one.number: one for one in sorted(found, key=lambda one: one.number)}


def _record(values: Mapping[str, Any]) -> Record:
    lists = {name: tuple(values[name]) for name in ("folds", "rounds", "values")}
    return Record(**{**values, **lists})
