"""A fit under every fold; what an earlier run has finished is taken as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.folds import Fold, Folds
from engine.training.crossing import Held
from engine.training.fitting import Prepared
from engine.training.folding import resolved
from engine.training.masked import Asked, under_folds
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.work.training import Training

FitFold = Callable[[Prepared, Fits], Fit]
"""Fits what is wanted on the rows under a fold."""


def held_out(
    context: Context,
    training: Training,
    prepared: Prepared,
    folds: Folds,
    fits: Fits,
    step: str,
    fit: FitFold,
) -> tuple[Held, ...]:
    """Return, for every fold, what was fitted without the rows that it holds out.

    Args:
        context: What the sections of the run share.
        training: What is asked for.
        prepared: The rows as they were surveyed, without these folds.
        folds: How the training rows are dealt.
        fits: Where finished fits are kept, so that a run that goes on does not repeat them.
        step: The step under way that this is a part of.
        fit: Called for each fold that is not finished.
    """
    under = dealt(context, prepared, folds)
    kept = [fits.below(fold.name) for fold in under]
    before = [one.found() for one in kept]
    left = [fold for fold, done in zip(under, before, strict=True) if done is None]
    masks = iter(masked(context, training, prepared, left, step))
    found = []
    for fold, one, done in zip(under, kept, before, strict=True):
        if done is None:
            rows = next(masks)
            done = fit(rows, one), rows.pipeline
            one.keep(*done)
        found.append(Held(fold, done[1], done[0].model))
    return tuple(found)


def dealt(context: Context, prepared: Prepared, folds: Folds) -> list[Fold]:
    """Return every fold of the training rows, once it is known where they are cut."""
    session = context.session()
    partitions, threads = context.planned.train_partitions, session.resources.slots
    wanted = folds.inside(prepared.data.split)
    known = resolved(session.client, prepared.data, wanted, partitions, threads=threads)
    return list(known.under(prepared.data.split))


def masked(
    context: Context, training: Training, prepared: Prepared, folds: Sequence[Fold], step: str
) -> list[Prepared]:
    """Return the rows under some folds, with features that know nothing of held-out labels.

    Arguments are those of `held_out`.
    """
    if not folds:
        return []
    session = context.session()
    return under_folds(
        session.client,
        prepared,
        folds,
        _asked(context, training),
        context.planned.train_partitions,
        threads=session.resources.slots,
        progress=lambda done: context.measure(step, done.peak),
    )


def _asked(context: Context, training: Training) -> Asked:
    spec = training.spec
    return Asked(
        training.pipeline,
        training.supervised,
        training.resolved,
        spec.sample_rows,
        spec.seed,
        context.bad_rows("train", spec.data),
    )
