"""What the client hears from the ranks of one attempt: progress, signs of life, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.comm.addressing import get_address_host

from engine.boosting.checkpoint import unpacked
from engine.boosting.council.silence import Silence
from engine.boosting.events import RoundEvent
from engine.boosting.gang.calls import answers
from engine.boosting.gang.saved import Saved
from engine.errors import ModelError

FETCH_SECONDS = 10.0
"""How long the client waits at most for a checkpoint that a worker holds."""


@dataclass
class Hearing:
    """Takes the events of the ranks.

    Attributes:
        client: An open Dask client.
        workers: One address for each rank.
        rounds: Rounds at most.
        saved: Where checkpoints go.
        progress: Called with what the user is told.
        peaks: Peak resident bytes of each rank that said something.
        round: The last round that was heard of.
    """

    client: Client
    workers: Sequence[str]
    rounds: int
    saved: Saved
    progress: Callable[[RoundEvent], None]
    peaks: dict[int, int] = field(default_factory=dict)
    round: int = 0
    _silences: dict[int, Silence] = field(default_factory=dict)
    _file: Path | None = None
    _new: bool = False

    def take(self, event: dict[str, Any]) -> None:
        """Take an event as a worker told it."""
        rank = event["rank"]
        self._silences.setdefault(rank, Silence()).broken()
        if event["kind"] == "beat":
            return
        self.peaks[rank] = max(self.peaks.get(rank, 0), event["peak"])
        if event["kind"] == "checkpoint":
            self._file, self._new = Path(event["path"]), True
        elif event["kind"] != "round" or not rank:  # rank 0 tells a round for all
            self.round = event.get("round", self.round)
            self._pass_on(rank, event)

    def _pass_on(self, rank: int, event: dict[str, Any]) -> None:
        self.progress(RoundEvent.heard(event, rank, self.rounds))

    def silent(self, limit: float) -> list[int]:
        """Return the ranks whose workers were heard, but not for so many seconds; look often."""
        return [rank for rank, silence in self._silences.items() if silence.seconds() > limit]

    def gone(self, rank: int) -> None:
        """Expect nothing more of a rank: it has ended."""
        self._silences.pop(rank, None)

    def fetch(self) -> None:
        """Fetch the newest checkpoint from rank 0's worker, unless we have it."""
        if self._new:
            self._new = False
            self._fetch_from(self.workers[:1])

    def salvage(self, present: Iterable[str]) -> None:
        """Fetch what rank 0 wrote last from whoever is left on its host.

        Args:
            present: Addresses of workers that answer.
        """
        host = get_address_host(self.workers[0])
        self._fetch_from([worker for worker in present if get_address_host(worker) == host][:1])

    def _fetch_from(self, workers: Sequence[str]) -> None:
        if self._file is None:
            return
        read = answers(
            self.client, Path.read_bytes, self._file, workers=workers, seconds=FETCH_SECONDS
        )
        for content in read.values():
            try:
                taken = self.saved.keep(unpacked(content, str(self._file)))
            except ModelError:  # the one we have is still right
                continue
            if taken:
                self.progress(RoundEvent("checkpoint", 0, self.saved.round, self.rounds))
