"""An estimator, of whatever way of learning, fitted on surveyed rows."""

from __future__ import annotations

from engine.training.fitting import Prepared
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.ensembling import ensembled
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.sections.single import fitted_alone
from jobs.work.training import Training


def trained(context: Context, training: Training, prepared: Prepared, fits: Fits) -> Fit:
    """Fit what ``[train]`` asks for on all training rows, as a step of the run."""
    counts = prepared.survey.counts
    context.start("train", counts.get("train", 0) + counts.get("valid", 0))
    fit = fitted(context, training, prepared, fits, "train")
    context.reporter.step_done(fit.summary)
    return fit


def fitted(context: Context, training: Training, prepared: Prepared, fits: Fits, step: str) -> Fit:
    """Fit an estimator on the training rows.

    Args:
        context: What the sections of the run share.
        training: What is asked for.
        prepared: The rows as they were surveyed, perhaps under a fold, with their features.
        fits: Where the fit is kept while it is not finished.
        step: The step under way that this is a part of.
    """
    if training.spec.combines:
        return ensembled(context, training, prepared, fits, step)
    rows = boosting.source(training, prepared)
    return fitted_alone(context, training, prepared, rows, fits, step)
