"""Voting, stacking and blending: members that learn or are finished, and what combines them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from engine.features.fitted import FittedPipeline
from engine.learners.members.pooling import LINEAR, pooled, voting
from engine.models.ensemble import Ensemble, Members, columns
from engine.models.narrow import Narrow
from engine.predict.kernel import keep
from engine.training.crossing import Held
from engine.training.fitting import Prepared
from engine.training.stacking import MemberSource, Said, sampled
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.sections.fits import Fits
from jobs.sections.holding import held_out
from jobs.sections.single import fitted_alone
from jobs.spec.members import FinalSpec
from jobs.work.training import Training


def ensembled(
    context: Context, training: Training, prepared: Prepared, fits: Fits, step: str
) -> Fit:
    """Fit the members, and what combines them.

    Arguments are those of `jobs.sections.fitting.fitted`. Every finished member is kept.
    """
    spec = training.spec

    def members(rows: Prepared, kept: Fits) -> Fit:
        return _members(context, training, rows, kept, step)

    held: tuple[Held, ...] = ()
    if training.stacking is not None:
        found = held_out(context, training, prepared, training.stacking, fits, step, members)
        held = tuple(replace(one, pipeline=training.joined(one.pipeline)) for one in found)
    full = members(prepared, fits)
    assert isinstance(full.model, Members)
    classes = boosting.measure(spec, prepared).classes
    if spec.votes:
        shares = tuple(member.share for member in spec.members.values())
        final = Fit(voting(shares, classes))
    else:
        final = _final(context, training, prepared, full.model, held, fits, step)
    told: dict[str, Any] = {"members": dict(full.told)}
    if final.told:
        told["final"] = dict(final.told)
    return Fit(Ensemble(full.model, final.model), told, {"estimator": spec.estimator})


def _members(
    context: Context, training: Training, prepared: Prepared, fits: Fits, step: str
) -> Fit:
    """Fit all members that learn on the same rows, and put those that are finished beside them."""
    found: dict[str, Fit] = {}
    for name, member in training.members.items():
        kept = fits.below(f"member-{name}")
        done = kept.found()
        if done is None:
            rows = boosting.source(member, prepared)
            fit = fitted_alone(context, member, prepared, rows, kept, step)
            kept.keep(fit, prepared.pipeline)
        found[name] = fit if done is None else done[0]
    if training.borrowed:
        found = _beside(training, training.joined(prepared.pipeline), found)
    model = Members({name: fit.model for name, fit in found.items()})
    return Fit(model, {name: dict(fit.told) for name, fit in found.items()})


def _beside(training: Training, all_of: FittedPipeline, found: dict[str, Fit]) -> dict[str, Fit]:
    """Return all members in their order, each of its own columns of the features of all."""
    width, members = len(all_of.features), {}
    for name in training.spec.members:
        if name in found:
            fit, first, count = found[name], 0, len(all_of.own)
        else:
            one = training.borrowed[name]
            fit, first, count = Fit(one.learned, one.named()), all_of.place(name), one.width
        members[name] = replace(fit, model=Narrow(fit.model, first, count, width))
    return members


def _final(
    context: Context,
    training: Training,
    prepared: Prepared,
    members: Members,
    held: tuple[Held, ...],
    fits: Fits,
    step: str,
) -> Fit:
    """Fit what combines the members, on what they say of rows that they have not seen."""
    spec, session = training.spec, context.session()
    keep()  # the workers that predict have no memory for a compiler
    classes = boosting.measure(spec, prepared).classes
    names = columns(tuple(members.models), classes)
    whole = replace(prepared, pipeline=training.joined(prepared.pipeline))
    rows = MemberSource(boosting.source(training, whole), names, members, held)
    said = sampled(
        session.client,
        rows,
        context.planned.train_partitions,
        prepared.counts,
        rows=spec.sample_rows,
        seed=spec.seed,
        threads=session.resources.slots,
        progress=lambda done: context.measure(step, done.peak),
    )
    final = spec.final or FinalSpec()
    if final.estimator == LINEAR:
        weights = said.weight
        model = pooled(spec.task, classes, len(members.models), said.x, said.y, weights)
        told = {"weights": dict(zip(members.models, model.weights, strict=True))}
        return Fit(model, {**told, "intercept": list(model.intercept), **_rows(said)})
    asked = replace(training, spec=spec.part(final))
    under = _as_features(prepared, names, said)
    return fitted_alone(context, asked, under, rows, fits.below("final"), step)


def _rows(said: Said) -> dict[str, int]:
    return {"rows": len(said.y), "of": said.of}


def _as_features(prepared: Prepared, names: tuple[str, ...], said: Said) -> Prepared:
    """Return rows whose features are what the members say."""
    return replace(
        prepared,
        pipeline=FittedPipeline({}, (), names, names),
        learned=False,
        counts=said.counts,
        heads={},
        sample=pl.DataFrame(said.x, schema=list(names)),
    )
