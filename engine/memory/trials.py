"""Tuning: an idle worker and the trials that it runs side by side."""

from __future__ import annotations

from engine.memory.passes import Shape, opening
from engine.memory.ranks import (
    EXPRESSIONS,
    FEATURE,
    HISTOGRAM_BIN,
    IDLE,
    RANK,
    Boosting,
    loading,
)
from engine.plan import Term


def trials(
    shape: Shape, boosting: Boosting, computed: bool, *, folds: int, each: int
) -> tuple[Term, ...]:
    """Return the terms of tuning LightGBM: an idle worker and some trials side by side.

    A trial is a process that holds the rows of all folds binned, as a rank holds its rows
    (`engine.memory.ranks`, whose figures count), and a booster of each fold. The first trials of a
    study read and bin the rows too, before they load any: the larger of the two counts.

    Args:
        shape: The pass that bins the rows.
        boosting: What one fold of one trial holds; its rows are all of the data set's, as a fold
            trains on some and holds out others; its leaves are the most that a trial may have.
        computed: Whether features are computed, and not only read.
        folds: Folds, all repeats together; 1 where the validation rows are held out.
        each: Trials that a worker runs at once.
    """
    held = folds * boosting.rows
    rows = held * boosting.row
    histograms = folds * boosting.leaves * shape.features * boosting.bins * HISTOGRAM_BIN
    process = RANK + computed * EXPRESSIONS
    return (
        Term("worker process", IDLE),
        Term(f"processes of {each} trials at once", each * process),
        Term("bins of the rows, of each fold", each * held * shape.features * boosting.stored),
        Term("features, apart from their rows", each * folds * shape.features * FEATURE),
        *opening(shape, each),
        Term("partitions being loaded", each * max(0, loading(shape, boosting) - rows)),
        Term("scores and gradients of the rows, of each fold", each * rows),
        Term("histograms, of each fold", each * histograms),
    )


def side_by_side(
    shape: Shape, boosting: Boosting, computed: bool, *, folds: int, memory: int
) -> int:
    """Return how many trials a worker runs at once: as many as threads and memory allow.

    Trials beside each other use cores better than the threads of one do. One at least: where not
    even that fits, the plan says so and refuses.

    Args:
        shape: The pass that bins the rows; it knows the threads of a worker.
        boosting: As for `trials`, and so are the others.
        computed: Whether features are computed.
        folds: Folds.
        memory: Bytes that a worker may use.
    """
    for each in range(shape.threads, 1, -1):
        terms = trials(shape, boosting, computed, folds=folds, each=each)
        if sum(term.bytes for term in terms) <= memory:
            return each
    return 1
