"""The model so far, on disk: one file, replaced as a whole, that says whether it is intact.

The first line is JSON (round, rounds, sha256 and bytes of what follows), the rest is the model.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ModelError


@dataclass(frozen=True)
class Checkpoint:
    """A model that was still being trained.

    Attributes:
        round: Rounds that it holds.
        rounds: Rounds at most.
        model: LightGBM model text.
    """

    round: int
    rounds: int
    model: str


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file; whoever reads it sees the old or the new one, never a part.

    Raises:
        OSError: The folder cannot be written.
    """
    text = checkpoint.model.encode()
    head = {
        "round": checkpoint.round,
        "rounds": checkpoint.rounds,
        "sha256": hashlib.sha256(text).hexdigest(),
        "bytes": len(text),
    }
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + text)
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
    first, _, text = path.read_bytes().partition(b"\n")
    try:
        head = json.loads(first)
        intact = head["sha256"] == hashlib.sha256(text).hexdigest()
        found = Checkpoint(int(head["round"]), int(head["rounds"]), text.decode())
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError("this is not a checkpoint", where=str(path)) from error
    if not intact:
        raise ModelError("the checkpoint is damaged: its digest differs", where=str(path))
    return found
