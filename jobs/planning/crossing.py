"""What a cross-validation reads and holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine import memory
from engine.folds import Folds
from engine.memory import Shape
from engine.plan import StepPlan
from engine.split import Split
from engine.training.crossing import AT_ONCE
from jobs.work.scorer import Scorer
from jobs.work.training import Training

Fitting = Callable[[Training, Shape], StepPlan]
"""Projects the fit of an estimator, given the shape of a pass."""


def under_fold(training: Training, folds: Folds) -> Training:
    """Return what is worked on, with a split that has the shares of the fullest fold."""
    split = training.data.split
    held_out = sum(share for share in (split.valid, split.test) if isinstance(share, float))
    valid = (1 - held_out) / (folds.count + (folds.by == "time"))
    shares = Split("random", valid=valid, test=held_out)
    return replace(training, data=replace(training.data, split=shares))


def crossing(training: Training, fitting: Fitting, prepare: StepPlan, shape: Shape) -> StepPlan:
    """Project the step that fits and measures every fold.

    Its parts come one after the other: the one that needs most memory decides.

    Args:
        training: What ``[train]`` works on; it has folds.
        fitting: Projects one fit.
        prepare: The passes that fit the features.
        shape: A pass.
    """
    folds = training.folds
    assert folds is not None
    fit, count = fitting(under_fold(training, folds), shape), folds.count * folds.repeats
    size = Scorer.awaited("", training).size
    shares = not training.own_bins
    marked = memory.marks(shape, count) if shares else ()
    scoring = memory.crossing(shape, min(count, AT_ONCE), size)
    ways = (prepare.terms, (*fit.terms, *marked), scoring)
    return replace(
        fit,
        name="cross-validate",
        passes=(
            *cuts(folds),
            *masks(training, prepare, count),
            *_fits(training, fit, count),
            f"held-out rows, scored by the models of up to {AT_ONCE} folds at once",
        ),
        terms=max(ways, key=lambda terms: sum(term.bytes for term in terms)),
        bytes_read=prepare.bytes_read * _times(training, count)
        + fit.bytes_read * (2 if shares else count + 1),
    )


def cuts(folds: Folds) -> tuple[str, ...]:
    """Return the pass that finds where folds begin, if they need one."""
    return () if folds.resolved else ("what deals the rows to folds alone, for their cuts",)


def masks(training: Training, prepare: StepPlan, count: int) -> tuple[str, ...]:
    """Return the passes that make training rows ready under so many folds."""
    if training.supervised:
        each = (f"for each of {count} folds: {one}" for one in prepare.passes)
        return (*each, "(features learn from the label: not from that of held-out rows)")
    return ("label alone, to count the rows of all folds",)


def _fits(training: Training, fit: StepPlan, count: int) -> tuple[str, ...]:
    """Say how often the rows are read for the fits of all folds, and why not once."""
    each = f"for each of {count} folds: "
    why = training.own_bins
    if not why:
        once, *more = fit.passes
        shared = f"{once}, once for all folds, which are masks over them, and for the model"
        return (shared, *(each + one for one in more))
    passes = tuple(each + one for one in fit.passes)
    return (*passes, f"(no bins for all folds: {why})") if training.spec.boosts else passes


def _times(training: Training, count: int) -> int:
    return count if training.supervised else 1
