"""One estimator fitted on rows, in the way in which it learns."""

from __future__ import annotations

from engine.boosting.source import RowSource
from engine.training.fitting import Prepared
from jobs.sections.boosting import boosted
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.sections.learning import learnt
from jobs.work.training import Training


def fitted_alone(
    context: Context,
    training: Training,
    prepared: Prepared,
    rows: RowSource,
    fits: Fits,
    step: str,
) -> Fit:
    """Fit an estimator that is no ensemble; arguments as for `jobs.sections.boosting.boosted`."""
    way = boosted if training.spec.boosts else learnt
    return way(context, training, prepared, rows, fits.checkpoint, step)
