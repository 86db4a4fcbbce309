"""The section ``[train]``: prepare, fit, calibrate, evaluate, save a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.bundle import Bundle, load
from engine.errors import ModelError
from engine.models import Learned
from engine.registry import save
from engine.registry import versions as model_versions
from engine.training.fitting import Prepared, prepare
from engine.training.seen import KEY
from engine.uniqueness import assert_unique
from jobs.fingerprint import training_digest, versions
from jobs.sections.calibrating import calibrated
from jobs.sections.context import Context
from jobs.sections.cross_validation import cross_validated
from jobs.sections.evaluating import evaluated
from jobs.sections.explaining import explained
from jobs.sections.fits import Fits
from jobs.sections.fitting import trained
from jobs.sections.tuning import tuned
from jobs.work.training import Training


def train(context: Context, training: Training) -> tuple[Path, Bundle]:
    """Prepare, train, evaluate and save a model.

    Returns:
        The new version's folder and its bundle.
    """
    prepared = _prepare(context, training)
    training, tried = tuned(context, training, prepared)
    fits = Fits.of(context, training)
    crossed = cross_validated(context, training, prepared, fits)
    fit = trained(context, training, prepared, fits)
    prepared = replace(prepared, pipeline=training.joined(prepared.pipeline))
    bundle = _bundle(context, training, prepared, fit.model, {**fit.told, **crossed, **tried})
    bundle = calibrated(context, training, prepared, bundle)
    bundle = evaluated(context, training, prepared, bundle)
    if context.planned.job.explain:
        bundle = explained(context, training, prepared, bundle)
    folder = save(bundle.files(), Path(training.spec.model))
    fits.clear()
    return folder, bundle


def _prepare(context: Context, training: Training) -> Prepared:
    planned, session = context.planned, context.session()
    rows = training.dataset.rows * training.resolved.passes
    context.start("prepare", rows)
    prepared = prepare(
        session.client,
        training.data,
        training.pipeline,
        training.resolved,
        planned.train_partitions,
        threads=session.resources.slots,
        sample_rows=training.spec.sample_rows,
        seed=training.spec.seed,
        bad=context.bad_rows("train", training.spec.data),
        progress=context.watch("prepare"),
    )
    assert_unique(session.client, training.dataset, threads=session.resources.slots)
    prepared.survey.ledger.check(training.dataset.rows_by_file())
    context.reporter.step_done({"rows": dict(prepared.survey.counts)})
    return prepared


def _bundle(
    context: Context,
    training: Training,
    prepared: Prepared,
    model: Learned,
    told: Mapping[str, Any],
) -> Bundle:
    spec = training.spec
    rules = training.rules(prepared.pipeline.inputs)
    return Bundle(
        model=model,
        pipeline=prepared.pipeline,
        types={name: rule.type for name, rule in rules.items() if rule.type},
        rules=rules,
        task=spec.task,
        target=spec.target,
        metrics=told,
        provenance={
            "job": context.planned.job.name,
            "fingerprint": training_digest(context.planned.job, training),
            "data": training.dataset.fingerprint(),
            "rows": dict(prepared.survey.counts),
            "ledger": prepared.survey.ledger.told(),
            "seed": spec.seed,
            "estimator": spec.estimator,
            "params": spec.lightgbm_params if spec.boosts else dict(spec.params),
            "metric": spec.metric,
            "versions": versions(),
            KEY: training.seen.told(),
            **({"base": training.base.told()} if training.base else {}),
            **({"members": _borrowed(training)} if training.borrowed else {}),
            **({"cross_validate": training.folds_told} if training.folds else {}),
        },
        objective=spec.loss or None,
        classes=prepared.data.classes,
        query=spec.query,
    )


def _borrowed(training: Training) -> dict[str, Any]:
    """Return which bundles are in the ensemble, and what they have learned from."""
    return {name: one.told() for name, one in training.borrowed.items()}


def trained_before(context: Context, training: Training) -> tuple[Path, Bundle] | None:
    """Return the newest version that was trained from the same data and sections, if any."""
    root, wanted = Path(training.spec.model), training_digest(context.planned.job, training)
    for number in reversed(model_versions(root)):
        folder = root / f"v{number}"
        try:
            bundle = load(folder)
        except ModelError:
            continue
        if bundle.provenance.get("fingerprint") == wanted:
            return folder, bundle
    return None
