"""Cross-validation as a step of ``[train]``: what an estimator is worth on rows it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.boosting.bins.marks import UnderFold
from engine.folds import Fold
from engine.predict.kernel import keep
from engine.training.crossing import CrossValidationWork
from engine.training.crossing import run as measured
from engine.training.fitting import Prepared
from engine.training.marking import FoldedMatrix
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.sections.fitting import fitted
from jobs.sections.holding import FitFold, held_out
from jobs.sections.single import fitted_alone
from jobs.work.training import Training

STEP = "cross-validate"


def cross_validated(
    context: Context, training: Training, prepared: Prepared, fits: Fits
) -> dict[str, Any]:
    """Fit the estimator on the other folds of every fold and measure it on the fold.

    Args:
        context: What the sections of the run share.
        training: What is asked for.
        prepared: The rows as they were surveyed.
        fits: Where finished folds are kept, so that a run that goes on does not repeat them.

    Returns:
        What the bundle tells of it; nothing when it was not asked for.
    """
    folds = training.folds
    if folds is None:
        return {}
    session, partitions = context.session(), context.planned.train_partitions
    context.start(STEP, prepared.survey.counts["train"] * folds.count * folds.repeats)
    kept = fits.below("crossed")
    fit = (_anew if training.own_bins else _sharing)(context, training, prepared)
    held = held_out(context, training, prepared, folds, kept, STEP, fit)
    keep()  # the workers that predict have no memory for a compiler
    found = measured(
        session.client,
        CrossValidationWork(prepared.data, held, boosting.measure(training.spec, prepared)),
        [part for part in partitions if prepared.counts[part.index].get("train")],
        threads=session.resources.slots,
        progress=context.watch(STEP),
    )
    told = found.results()
    context.reporter.step_done({"mean": told["mean"], "std": told["std"]})
    return {"cross_validation": {**training.folds_told, **told}}


def _anew(context: Context, training: Training, prepared: Prepared) -> FitFold:
    """Return what fits the estimator under a fold as if there were no others."""

    def fit(rows: Prepared, fits: Fits) -> Fit:
        return fitted(context, training, rows, fits, STEP)

    return fit


def _sharing(context: Context, training: Training, prepared: Prepared) -> FitFold:
    """Return what trains LightGBM under a fold on bins that are made once, for all folds."""
    source = boosting.source(training, prepared)
    parts = prepared.dealt_parts(context.planned.train_partitions)
    # The training that follows the last fold finds its rows binned too, and removes the bins.
    keeping = replace(training, spec=training.spec.model_copy(update={"keep_bins": True}))

    def fit(rows: Prepared, fits: Fits) -> Fit:
        fold = rows.data.split
        assert isinstance(fold, Fold)
        dealt = tuple(fold.folds.under(fold.base))
        under = UnderFold.of(FoldedMatrix(source, dealt), dealt.index(fold), parts)
        return fitted_alone(context, keeping, rows, under, fits, STEP)

    return fit
