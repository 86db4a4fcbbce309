"""A training that is not finished, on disk: one file that says whether it is intact.

The first line is the SHA-256 of all that follows: a line of JSON, then two skops files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.canonical import canonical
from engine.learners.lesson import Lesson
from engine.models.skops_files import installed
from engine.place.kept import Kept


@dataclass(frozen=True)
class Saved:
    """How far a training has come.

    Attributes:
        epoch: The epoch that is under way, from 0.
        spans: Spans of it that are done.
        state: The estimator; empty: it has learned nothing.
        history: What was measured after each epoch.
        best: The estimator after the best epoch, where it is not the last one; else empty.
    """

    epoch: int = 0
    spans: int = 0
    state: bytes = b""
    history: tuple[Mapping[str, float], ...] = ()
    best: bytes = b""


def key(lesson: Lesson) -> str:
    """Return what a checkpoint must have in common with the training that goes on from it."""
    asked = lesson.assignment
    told: dict[str, Any] = {
        "estimator": asked.estimator.name,
        "task": asked.task,
        "params": dict(asked.params),
        "classes": asked.classes,
        "seed": asked.seed,
        "features": list(lesson.source.features),
        "parts": [[part.partition.index, part.train, part.valid] for part in lesson.parts],
        "sklearn": installed(),
    }
    return hashlib.sha256(canonical(told)).hexdigest()


def write(kept: Kept, saved: Saved, its_key: str) -> None:
    """Replace the checkpoint."""
    head = {
        "epoch": saved.epoch,
        "spans": saved.spans,
        "state": len(saved.state),
        "history": [dict(one) for one in saved.history],
        "key": its_key,
    }
    body = json.dumps(head).encode() + b"\n" + saved.state + saved.best
    kept.replace(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def read(kept: Kept | None, its_key: str) -> Saved:
    """Return how far a training had come; nothing, where there is no checkpoint that belongs to it.

    Args:
        kept: Where it may be.
        its_key: Of the training that will go on.
    """
    content = (kept.read() if kept else None) or b""
    digest, _, body = content.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode():
        return Saved()
    line, _, states = body.partition(b"\n")
    head = json.loads(line)
    if head.get("key") != its_key:
        return Saved()
    cut = head["state"]
    return Saved(head["epoch"], head["spans"], states[:cut], tuple(head["history"]), states[cut:])
