"""The client's side of checkpoints: where training goes on from."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace

from engine.boosting.checkpoint import Checkpoint, packed, unpacked
from engine.errors import MillraceError
from engine.place.kept import Kept


@dataclass
class Saved:
    """The newest checkpoint of one training, in memory and, if a file is given, there.

    Attributes:
        file: Where it is kept; None = in memory only.
        key: Which training it must belong to.
        newest: The checkpoint.
        stored: The round that is kept there.
        earlier: Seconds that earlier runs have spent on it.
    """

    file: Kept | None
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
        if self.file is None:
            return ""
        try:
            content = self.file.read()
            if content is None:
                return ""
            found = unpacked(content, str(self.file))
        except (MillraceError, OSError) as error:
            return f"the checkpoint {self.file} is not used: {error}"
        if found.key != self.key:
            return f"the checkpoint {self.file} is of another training and is not used"
        self.newest, self.stored = found, found.round
        self.earlier = float(found.state.get("seconds", 0.0))
        return f"training goes on from round {found.round} ({self.file})"

    def keep(self, found: Checkpoint) -> bool:
        """Take a checkpoint of a rank, unless it is older; return whether it was taken."""
        if found.round <= self.round:
            return False
        state = {**found.state, "seconds": self.seconds}
        self.newest = replace(found, key=self.key, state=state)
        if self.file is not None:
            try:
                self.file.replace(packed(self.newest))
                self.stored = found.round
            except (MillraceError, OSError) as error:
                # Hours of training must not be lost to a full disk.
                print(f"no checkpoint of round {found.round}: {error}", file=sys.stderr)
        return True

    def start(self) -> Checkpoint | None:
        """Return the checkpoint for the next attempt; its clock has gone on until now."""
        if self.newest is None:
            return None
        return replace(self.newest, state={**self.newest.state, "seconds": self.seconds})

    def remove(self) -> None:
        """Remove the file: there is a model now."""
        if self.file is not None:
            self.file.remove()

    def told(self) -> str:
        """Return what a user whose training has failed must know."""
        if self.file is None or not self.stored:
            return "no checkpoint is kept: the next run begins anew"
        return (
            f"the checkpoint of round {self.stored} is kept ({self.file}): "
            "`millrace run` goes on from it"
        )
