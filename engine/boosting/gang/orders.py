"""What all ranks are told, and how their training is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from typing import Any

from engine.boosting.checkpoint import Checkpoint
from engine.boosting.gang.shards import Shard
from engine.boosting.learning import Conduct, Learning
from engine.boosting.source import ShardPart
from engine.boosting.work import Goal, Place, Work

LIBRARIES = ("lightgbm", "polars", "pyarrow", "numpy")
"""Whose versions may change a row, its bins, or how they are stored."""


@dataclass(frozen=True)
class Orders:
    """What all ranks are told; see `engine.boosting.work.Work`.

    Attributes:
        shards: Of all ranks.
        fingerprint: Of the binned rows; the same for all attempts.
    """

    goal: Goal
    conduct: Conduct
    source: bytes
    bins: bytes
    sample_rows: int
    threads: int
    fingerprint: str
    shards: Sequence[Shard] = ()
    start: Checkpoint | None = None

    def work(self, rank: int, places: tuple[Place, ...], key: bytes) -> Work:
        """Return what one rank is told."""
        own = ("shards", "fingerprint")
        told = {name: value for name, value in vars(self).items() if name not in own}
        return Work(rank=rank, places=places, key=key, shard=self.shards[rank], **told)

    def within(self, seconds: float) -> Orders:
        """Return the same with so much less time for boosting."""
        learning = self.goal.learning
        if learning.max_seconds is None:
            return self
        left = replace(learning, max_seconds=max(0.0, learning.max_seconds - seconds))
        return replace(self, goal=replace(self.goal, learning=left))


def fingerprint(bins: bytes, source: bytes) -> str:
    """Return the name of binned rows: what they were made from, and by which versions."""
    made_by = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return _digest(bins, source, made_by.encode())


def training_key(
    goal: Goal, bins: bytes, features: Sequence[str], parts: Sequence[ShardPart]
) -> str:
    """Return what a checkpoint must have in common with the training that goes on from it.

    All that decides the model; not the number of workers or threads, nor how long it may take.

    Args:
        goal: What is to be learned.
        bins: The reference dataset.
        features: Their names.
        parts: All partitions with their numbers of rows.
    """
    told = {
        "params": {name: v for name, v in goal.params.items() if name != "num_threads"},
        "learning": _told(goal.learning),
        "metric": [goal.metric, *goal.measure.followed],
        "features": list(features),
        "rows": [[p.partition.index, p.train, p.valid, p.train_head, p.valid_head] for p in parts],
        "lightgbm": version("lightgbm"),
    }
    return _digest(bins, json.dumps(told, sort_keys=True, default=str).encode())


def _told(learning: Learning) -> dict[str, Any]:
    left_out = ("params", "measure", "max_seconds", "schedule")
    told = {f.name: getattr(learning, f.name) for f in fields(learning) if f.name not in left_out}
    rates = learning.schedule
    rounds = range(1, learning.rounds + 1)
    # A function has no content to compare; what it says of each round has.
    return {**told, "schedule": [rates(number) for number in rounds] if rates else None}


def _digest(*pieces: bytes) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).hexdigest()
