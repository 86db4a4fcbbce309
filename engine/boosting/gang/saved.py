"""The client's side of checkpoints: where training goes on from."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.boosting.checkpoint import Checkpoint, read, write
from engine.errors import ModelError


@dataclass
class Saved:
    """The newest checkpoint of one training, in memory and, if a path is given, on disk.

    Attributes:
        path: The file; None = in memory only.
        key: Which training it must belong to.
        newest: The checkpoint.
        stored: The round that is on disk.
        earlier: Seconds that earlier runs have spent on it.
    """

    path: Path | None
    key: str
    newest: Checkpoint | None = None
    stored: int = 0
    earlier: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    @property
    def round(self) -> int:
        """The round that training goes on from; 0 = the beginning."""
        return self.newest.round if self.newest else 0

    @property
    def seconds(self) -> float:
        """What training has taken so far, the lost parts too."""
        return self.earlier + time.monotonic() - self._began

    def begin(self) -> None:
        """Start the clock: what came before was waiting."""
        self._began = time.monotonic()

    def find(self) -> str:
        """Look for a file that an earlier run has left; return what is to be said about it."""
        if self.path is None or not self.path.exists():
            return ""
        try:
            found = read(self.path)
        except (ModelError, OSError) as error:
            return f"the checkpoint {self.path} is not used: {error}"
        if found.key != self.key:
            return f"the checkpoint {self.path} is of another training and is not used"
        self.newest, self.stored = found, found.round
        self.earlier = float(found.state.get("seconds", 0.0))
        return f"training goes on from round {found.round} ({self.path})"

    def keep(self, found: Checkpoint) -> bool:
        """Take a checkpoint of a rank, unless it is older; return whether it was taken."""
        if found.round <= self.round:
            return False
        state = {**found.state, "seconds": self.seconds}
        self.newest = replace(found, key=self.key, state=state)
        if self.path is not None:
            try:
                write(self.path, self.newest)
                self.stored = found.round
            except OSError as error:  # hours of training must not be lost to a full disk
                print(f"no checkpoint of round {found.round}: {error}", file=sys.stderr)
        return True

    def start(self) -> Checkpoint | None:
        """Return the checkpoint for the next attempt; its clock has gone on until now."""
        if self.newest is None:
            return None
        return replace(self.newest, state={**self.newest.state, "seconds": self.seconds})

    def remove(self) -> None:
        """Remove the file: there is a model now."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def told(self) -> str:
        """Return what a user whose training has failed must know."""
        if self.path is None or not self.stored:
            return "no checkpoint is kept: the next run begins anew"
        return (
            f"the checkpoint of round {self.stored} is kept ({self.path}): "
            "`millrace run` goes on from it"
        )
