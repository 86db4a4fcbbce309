"""Trials of one study, in a process of their own: ``python -m engine.tuning.boosted.process``.

A pickled `TrialWork` comes on standard input, which stays open for as long as the worker lives;
JSON lines go to standard output, as of a rank (`engine.boosting.rank.process`). After a trial that
ended as it should, the process keeps the rows that it has loaded and waits for the next one.
"""

from __future__ import annotations

import base64
import os
import pickle
import queue
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn

from engine.boosting.bins.dataset import Piece
from engine.boosting.bins.marks import Masked
from engine.boosting.bins.reference import dataset_params, load_bins
from engine.boosting.native import lightgbm
from engine.boosting.rank.stock import Part
from engine.boosting.source import RowSource
from engine.boosting.voice import Voice, asked, listen
from engine.errors import MillraceError, TrainingFailed
from engine.process import give_back
from engine.split import TRAIN, VALID
from engine.tuning.boosted.binning import SharedBlocks
from engine.tuning.boosted.lockstep import FoldRows, Lockstep
from engine.tuning.boosted.work import WAIT_SECONDS, Outcome, TrialWork


def loaded(work: TrialWork, voice: Voice) -> list[FoldRows]:
    """Bin what is missing, and load the rows of every fold.

    Raises:
        MillraceError: The data are refused.
        Exception: LightGBM fails.
    """
    lightgbm()  # before the source imports what LightGBM would drag along
    bench, goal = work.bench, work.goal
    assert work.scratch is not None
    params = dataset_params(goal.params, bench.sample_rows)
    reference = load_bins(bench.bins, params)
    blocks = SharedBlocks.of_bench(bench, work.scratch, reference, goal.learning.outputs)
    read = 0

    def progress(rows: int) -> None:
        nonlocal read
        read += rows
        voice.tell("loading", rows=read)

    def source() -> RowSource:
        found: RowSource = pickle.loads(bench.source)
        return found

    blocks.share(source, bench.shard, progress)
    return [FoldRows.of(train, held, goal, params) for train, held in _parts(work, blocks)]


def run(work: TrialWork, folds: list[FoldRows], voice: Voice) -> Outcome:
    """Boost all folds.

    Args:
        work: The trial.
        folds: The rows of its study, as `loaded` returned them for this trial or an earlier one.
        voice: Tells of each round.

    Raises:
        MillraceError: The parameters are refused.
        Exception: LightGBM fails.
    """
    params = dataset_params(work.goal.params, work.bench.sample_rows)

    def tell(number: int, values: list[float]) -> None:
        voice.tell("round", matters=True, round=number, folds=values)

    return Lockstep(work.goal, folds, params, tell, asked.is_set).run()


def _parts(work: TrialWork, blocks: SharedBlocks) -> Iterator[tuple[Part, Part]]:
    """Yield, of each fold, the rows that it trains on and those that it holds out."""
    shard = work.bench.shard
    if not work.bench.folds:
        yield Part.of(blocks, shard, "train", None), Part.of(blocks, shard, "valid", None)
    for fold in range(work.bench.folds):
        yield _part(work, blocks, fold, TRAIN), _part(work, blocks, fold, VALID)


def _part(work: TrialWork, blocks: SharedBlocks, fold: int, mark: int) -> Part:
    pieces = []
    for portion in work.bench.shard:
        block = Masked.under(blocks.of(portion), blocks.masks(portion), fold, mark)
        pieces.append(Piece(block, 0, int(block.kept().sum())))
    return Part(blocks, [piece for piece in pieces if piece.rows])


def main() -> None:
    """Run the trials that standard input describes, until no more come."""
    voice, inbox = Voice(), _inbox()
    work = inbox.get()
    voice.beat(work.conduct.timeouts.beat)
    folds: list[FoldRows] | None = None
    with suppress(queue.Empty):
        while True:
            try:
                folds = folds or loaded(work, voice)
                outcome = run(work, folds, voice)
            except MillraceError as error:
                _fail(voice, error)
            except BaseException as error:
                _fail(voice, TrainingFailed(f"{type(error).__name__}: {error}"))
            give_back()  # the boosters' memory, before the next trial makes its own
            kind = "done" if outcome.best_round else "left"
            voice.tell(kind, matters=True, best_round=outcome.best_round, folds=outcome.folds)
            work = inbox.get(timeout=WAIT_SECONDS)
    voice.close()
    os._exit(0)  # the interpreter's shutdown would free gigabytes piece by piece


def _inbox() -> queue.SimpleQueue[TrialWork]:
    """Listen to the worker, from now on; return where trials arrive."""
    inbox: queue.SimpleQueue[TrialWork] = queue.SimpleQueue()

    def hear(said: object) -> None:
        if isinstance(said, TrialWork):
            asked.clear()  # a wish that came too late was for the trial before
            inbox.put(said)
        else:
            asked.set()

    listen(hear)
    return inbox


def _fail(voice: Voice, error: MillraceError) -> NoReturn:
    voice.tell("failed", matters=True, error=base64.b64encode(pickle.dumps(error)).decode())
    voice.close()
    os._exit(1)


if __name__ == "__main__":
    main()
