"""One rank of a training, in a process of its own: ``python -m engine.boosting.rank.process``.

A pickled `Work` comes on standard input, which then stays open for as long as the worker lives;
JSON lines go to standard output (`Voice`). The last line is ``done`` with the model, ``failed``
with an error of ours, or ``left`` when another rank was lost. LightGBM ends its process with a
signal on some faults of its network (FINDINGS 1): so this is not the Dask worker's process.
"""

from __future__ import annotations

import base64
import os
import pickle
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from engine.boosting.bins.marks import UnderFold
from engine.boosting.bins.reference import dataset_params, load_bins
from engine.boosting.bins.turns import Turns
from engine.boosting.council.decisions import LABELS, PORTS, Decisions, Labels
from engine.boosting.council.hub import Hub
from engine.boosting.council.link import HUB_RANK, Alone, Council, Link
from engine.boosting.native import lightgbm
from engine.boosting.rank.loading import Blocks
from engine.boosting.rank.marked import FoldBlocks
from engine.boosting.rank.network import connected
from engine.boosting.rank.refit import Refit
from engine.boosting.rank.rounds import Rounds
from engine.boosting.rank.stock import Part
from engine.boosting.source import RowSource
from engine.boosting.voice import Voice, asked, listen
from engine.boosting.work import Boosted, Work
from engine.errors import MillraceError, TrainingFailed

LEFT = 3
"""Exit status of a rank that left because another was lost."""

VERDICT_SECONDS = 5.0
"""How long a failing rank waits to hear that a peer was lost, which would be the cause."""


class Rank:
    """A rank from its first to its last line.

    Args:
        work: What it was told.
        voice: How it talks to its worker.
        sockets: File descriptors of the listening sockets that keep its ports: LightGBM's, hub's.
    """

    def __init__(self, work: Work, voice: Voice, sockets: tuple[int, int]) -> None:
        """Keep all."""
        self._work, self._voice = work, voice
        self._held = tuple(socket.socket(fileno=number) for number in sockets)
        self._read = 0
        self._hub: Hub | None = None
        self._decisions = Decisions(work.goal, work.start.state if work.start else None)
        # With a network, LightGBM would keep only some rows of a file; all of ours are meant.
        params = dataset_params(work.goal.params, work.sample_rows)
        self._params = {**params, **({"pre_partition": True} if work.places[1:] else {})}

    def run(self) -> Boosted:
        """Join the others, load, boost.

        Raises:
            MillraceError: The data or the parameters are refused.
            Exception: LightGBM fails.
        """
        lightgbm()  # before the source imports what LightGBM would drag along
        work = self._work
        source: RowSource = pickle.loads(work.source)
        council = self._council()
        with self._folder() as folder:
            blocks = self._blocks(folder, source)
            blocks.fill(source, work.shard, self._tell_rows)
            valid = Part.of(blocks, work.shard, "valid", None)
            train = Part.of(blocks, work.shard, "train", None)
            council.say(LABELS, Labels(train.counts(), valid.counts()))
            # All ports are given free before anybody listens: a peer that connected to the socket
            # that only kept the port would be thrown out.
            self._held[0].close()
            council.say(PORTS, None)
            if work.goal.learning.refit is not None:
                boosted = Refit(work, train, council).run()
            else:
                with connected(work.places, work.rank):
                    boosted = self._rounds(blocks, valid, council).run()
        council.close()
        if self._hub is not None:
            self._hub.join()
        return boosted

    def _council(self) -> Council:
        work = self._work
        self._held[1].close()
        if len(work.places) == 1:
            return Alone(self._decisions)
        first = work.places[HUB_RANK]
        address, waits = (first.host, first.hub), work.conduct.timeouts
        if work.rank == HUB_RANK:
            self._hub = Hub(address, work.key, len(work.places), self._decisions, waits)
        return Link(address, work.key, work.rank, waits, self._leave)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """Give the folder of the blocks: the one that outlives this rank, or one of its own."""
        if self._work.scratch is not None:
            yield self._work.scratch
            return
        with tempfile.TemporaryDirectory(prefix="millrace-bins-") as folder:
            yield Path(folder)

    def _blocks(self, folder: Path, source: RowSource) -> Blocks:
        work, learning = self._work, self._work.goal.learning
        reference = load_bins(work.bins, self._params)
        turns, plain = Turns(learning.subsets), learning.refit is not None
        blocks = Blocks.within(folder, reference, source, learning.outputs, turns, plain=plain)
        return FoldBlocks.of_fold(blocks, source) if isinstance(source, UnderFold) else blocks

    def _rounds(self, blocks: Blocks, valid: Part, council: Council) -> Rounds:
        return Rounds(
            self._work,
            lambda subset: Part.of(blocks, self._work.shard, "train", subset),
            valid,
            self._params,
            council,
            self._decisions,
            self._voice.tell,
        )

    def _tell_rows(self, rows: int) -> None:
        self._read += rows
        self._voice.tell("loading", rows=self._read)

    def _leave(self, lost: int, reason: str) -> NoReturn:
        self._voice.tell("left", lost=lost, reason=reason)
        self._voice.close(VERDICT_SECONDS)
        os._exit(LEFT)


def main() -> None:
    """Run the rank that standard input describes; exit status 0 when a last line was written."""
    voice = Voice()
    work: Work = pickle.load(sys.stdin.buffer)
    listen(lambda _: asked.set())  # all that is said to a rank is that it is to stop
    voice.beat(work.conduct.timeouts.beat)
    try:
        boosted = Rank(work, voice, (int(sys.argv[1]), int(sys.argv[2]))).run()
    except MillraceError as error:
        _fail(voice, error)
    except BaseException as error:
        # A lost peer breaks LightGBM's network first; the hub then says who it was and ends us.
        time.sleep(VERDICT_SECONDS if len(work.places) > 1 else 0)
        _fail(voice, TrainingFailed(f"{type(error).__name__}: {error}", where=str(work.place)))
    # All ranks hold the same model; one text on the way is enough.
    model = boosted.model if work.rank == 0 else ""
    voice.tell("done", matters=True, **{**asdict(boosted), "model": model})
    voice.close()
    os._exit(0)  # the interpreter's shutdown would free gigabytes piece by piece


def _fail(voice: Voice, error: MillraceError) -> NoReturn:
    voice.tell("failed", matters=True, error=base64.b64encode(pickle.dumps(error)).decode())
    voice.close()
    os._exit(1)


if __name__ == "__main__":
    main()
