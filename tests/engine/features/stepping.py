"""What the tests of single steps share: fit a step from rows in pieces, and apply it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.features.fit import fit as fit_steps
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline
from engine.features.step import Fitted, Step
from engine.reserved import DRAW, ROW, TARGET
from engine.split import fold_draws
from engine.statistics.summary import Request, Summary
from engine.training.survey import gathered


def training_frame(
    frame: pl.DataFrame, y: Sequence[float] | npt.NDArray[np.float64] | None = None, seed: int = 7
) -> pl.DataFrame:
    """Add row numbers, draws and, where given, labels, as the survey pass does."""
    rows = np.arange(frame.height, dtype=np.uint64)
    added = [pl.Series(ROW, rows), fold_draws(pl.Series(rows), seed)]
    if y is not None:
        added.append(pl.Series(TARGET, np.asarray(y, np.float64)))
    return frame.with_columns(added)


def fit(
    step: Step,
    frame: pl.DataFrame,
    y: Sequence[float] | npt.NDArray[np.float64] | None = None,
    cuts: Sequence[int] = (),
    backwards: bool = False,
) -> Fitted:
    """Check and fit a step on rows that are cut into pieces at these places.

    Args:
        step: The step.
        frame: All rows.
        y: Labels.
        cuts: Where pieces begin; equal cuts make pieces of no rows.
        backwards: Merge the pieces last to first: the answer must not change.
    """
    whole = training_frame(frame, y)
    step.check(dict(frame.schema), "test")
    edges = [0, *sorted(cuts), frame.height]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    summaries = [Summary.of(piece, step.needs()) for piece in pieces]
    if backwards:
        summaries.reverse()
    total = Summary()
    for one in summaries:
        total = total.merge(one)
    return step.fit(total, "test")


def transform(fitted: Fitted, frame: pl.DataFrame) -> pl.DataFrame:
    """Apply a fitted step to rows as they are scored."""
    made = frame.lazy().with_columns(fitted.expressions()).collect()
    return made.drop(fitted.removes())


def train_transform(fitted: Fitted, frame: pl.DataFrame, y: object) -> pl.DataFrame:
    """Apply a fitted step to training rows; returns without the added columns."""
    whole = training_frame(frame, y)  # type: ignore[arg-type]
    made = whole.lazy().with_columns(fitted.training()).collect()
    return made.drop(fitted.removes()).drop(ROW, DRAW, TARGET)


def fit_pipeline(
    pipeline: Pipeline,
    frame: pl.DataFrame,
    y: Sequence[float] | npt.NDArray[np.float64] | None = None,
    cuts: Sequence[int] = (),
    backwards: bool = False,
) -> FittedPipeline:
    """Fit a whole pipeline as the passes on a cluster do, on rows in pieces; as `fit`."""
    whole = training_frame(frame, y)
    edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    pieces = [whole[a:b] for a, b in pairwise(edges)]

    def gather(fitted: FittedPipeline, request: Request) -> Summary:
        found = [gathered(fitted, request, piece) for piece in pieces]
        if backwards:
            found.reverse()
        return reduce(Summary.merge, found)

    return fit_steps(pipeline, pipeline.resolve(dict(frame.schema)), gather)
