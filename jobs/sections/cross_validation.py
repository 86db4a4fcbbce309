"""Cross-validation as a step of ``[train]``: what an estimator is worth on rows it has not seen."""

from __future__ import annotations

from typing import Any

from engine.predict.kernel import keep
from engine.training.crossing import CrossValidationWork
from engine.training.crossing import run as measured
from engine.training.fitting import Prepared
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.sections.fitting import fitted
from jobs.sections.holding import held_out
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

    def fit(rows: Prepared, one: Fits) -> Fit:
        return fitted(context, training, rows, one, STEP)

    kept = fits.below("crossed")
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
