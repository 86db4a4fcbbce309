"""The model so far, on disk: one file, replaced as a whole, that says whether it is intact.

The first line is the SHA-256 of all that follows: a line of JSON (round, rounds, state, key), then
the model text.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import ModelError


@dataclass(frozen=True)
class Checkpoint:
    """A model that was still being trained.

    Attributes:
        round: Rounds that it holds.
        rounds: Rounds at most.
        model: LightGBM model text.
        state: What had been decided until then (`council.decisions.Decisions.state`); JSON.
        key: Which training it belongs to; known to the client, who compares it.
    """

    round: int
    rounds: int
    model: str
    state: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""


def packed(checkpoint: Checkpoint) -> bytes:
    """Return the content of a file."""
    head = {
        "round": checkpoint.round,
        "rounds": checkpoint.rounds,
        "state": dict(checkpoint.state),
        "key": checkpoint.key,
    }
    body = json.dumps(head).encode() + b"\n" + checkpoint.model.encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpacked(content: bytes, where: str) -> Checkpoint:
    """Return the checkpoint that a file holds.

    Raises:
        ModelError: The content is damaged, or is no checkpoint.
    """
    digest, _, body = content.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode():
        what = "this is not a checkpoint, or it is damaged: its digest differs"
        raise ModelError(what, where=where)
    head, _, model = body.partition(b"\n")
    try:
        found = json.loads(head)
        state, key = found["state"], found["key"]
        return Checkpoint(int(found["round"]), int(found["rounds"]), model.decode(), state, key)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("this is not a checkpoint", where=where) from error


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file; whoever reads it sees the old or the new one, never a part.

    Raises:
        OSError: The folder cannot be written.
    """
    store(path, packed(checkpoint))


def store(path: Path, content: bytes) -> None:
    """Replace the file by packed content, as `write` does."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def read(path: Path) -> Checkpoint:
    """Return the checkpoint.

    Raises:
        ModelError: The file is damaged, or is no checkpoint.
        OSError: It cannot be read.
    """
    return unpacked(path.read_bytes(), str(path))
