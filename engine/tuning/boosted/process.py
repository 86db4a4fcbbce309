"""One trial, in a process of its own: ``python -m engine.tuning.boosted.process``.

A pickled `TrialWork` comes on standard input, which then stays open for as long as the worker
lives; JSON lines go to standard output, as of a rank (`engine.boosting.rank.process`).
"""

from __future__ import annotations

import base64
import os
import pickle
import sys
from collections.abc import Iterator
from typing import NoReturn

from engine.boosting.bins.dataset import Piece
from engine.boosting.bins.reference import dataset_params, load_bins
from engine.boosting.native import lightgbm
from engine.boosting.rank.stock import Part
from engine.boosting.source import RowSource
from engine.boosting.voice import Voice, end_with_parent
from engine.errors import MillraceError, TrainingFailed
from engine.split import TRAIN, VALID
from engine.tuning.boosted.binning import SharedBlocks
from engine.tuning.boosted.lockstep import Lockstep
from engine.tuning.boosted.marks import Masked
from engine.tuning.boosted.work import Outcome, TrialWork


def run(work: TrialWork, voice: Voice) -> Outcome:
    """Bin what is missing, load the rows of every fold, boost.

    Raises:
        MillraceError: The data or the parameters are refused.
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

    def tell(number: int, values: list[float]) -> None:
        voice.tell("round", matters=True, round=number, folds=values)

    return Lockstep(goal, _parts(work, blocks), params, tell).run()


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
    """Run the trial that standard input describes; exit status 0 when a last line was written."""
    voice = Voice()
    work: TrialWork = pickle.load(sys.stdin.buffer)
    end_with_parent()
    voice.beat(work.conduct.timeouts.beat)
    try:
        outcome = run(work, voice)
    except MillraceError as error:
        _fail(voice, error)
    except BaseException as error:
        _fail(voice, TrainingFailed(f"{type(error).__name__}: {error}"))
    voice.tell("done", matters=True, best_round=outcome.best_round, folds=outcome.folds)
    voice.close()
    os._exit(0)  # the interpreter's shutdown would free gigabytes piece by piece


def _fail(voice: Voice, error: MillraceError) -> NoReturn:
    voice.tell("failed", matters=True, error=base64.b64encode(pickle.dumps(error)).decode())
    voice.close()
    os._exit(1)


if __name__ == "__main__":
    main()
