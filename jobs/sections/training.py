"""The section ``[train]``: prepare, fit, calibrate, evaluate, save a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import evaluating
from engine.boosting import Fitted, fit
from engine.bundle import Bundle, load
from engine.calibration import Calibration, shifted
from engine.calibration import fitted as fitted_calibration
from engine.errors import ModelError
from engine.evaluating import Evaluation
from engine.fitting import Prepared, prepare
from engine.metrics import BinaryScores, Measure, ScoreHistogram, Scores
from engine.metrics.custom import CustomScores
from engine.metrics.residuals import Residuals, ResidualScores
from engine.place.kept import Kept
from engine.predict.kernel import keep
from engine.preparing import matrix
from engine.registry import save
from engine.registry import versions as model_versions
from engine.uniqueness import assert_unique
from jobs.fingerprint import checkpoint_digest, training_digest, versions
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.work.training import Training


def train(context: Context, training: Training) -> tuple[Path, Bundle]:
    """Prepare, train, evaluate and save a model.

    Returns:
        The new version's folder and its bundle.
    """
    prepared = _prepare(context, training)
    fitted = _fit(context, training, prepared)
    bundle = _bundle(context, training, prepared, fitted)
    if training.spec.calibrate:
        bundle = replace(bundle, calibration=_calibration(context, training, prepared, bundle))
    if context.planned.job.evaluate:
        measure = boosting.measure(training.spec, prepared)
        found = _scored(context, training, prepared, bundle, "evaluate", ("valid", "test"), measure)
        context.reporter.step_done(found.results())
        bundle = replace(bundle, metrics={**_measures(found), **bundle.metrics})
    folder = save(bundle.files(), Path(training.spec.model))
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


def _fit(context: Context, training: Training, prepared: Prepared) -> Fitted:
    session, planned = context.session(), context.planned
    parts = prepared.shard_parts(planned.train_partitions)
    context.start("train", sum(part.train + part.valid for part in parts))
    fitted = fit(
        session.client,
        session.resources,
        boosting.source(training, prepared),
        parts,
        matrix(prepared.pipeline, prepared.sample, training=prepared.learned),
        boosting.learning(training, prepared, planned.subsets),
        boosting.conduct(
            training.spec, planned.job.cluster, session.resources, _checkpoint(context, training)
        ),
        progress=boosting.teller(context.reporter),
        cancel=context.stop,
    )
    context.measured["train"] = max(fitted.peak_memory, default=0)
    told = {name: getattr(fitted, name) for name in ("rounds", "best_round", "stopped", "restarts")}
    context.reporter.step_done(told)
    return fitted


def _checkpoint(context: Context, training: Training) -> Kept:
    """Return where the model so far is kept; the next run of the same training looks there too."""
    digest = checkpoint_digest(context.planned.job, training)
    return Kept(context.run.place, f"checkpoints/{digest}.txt")


def _calibration(
    context: Context, training: Training, prepared: Prepared, bundle: Bundle
) -> Calibration:
    """Calibrate what a model says on the validation rows, as a step of the run."""
    kind, quantile = training.spec.calibrate, bundle.quantile
    residuals = None if quantile is None else Residuals(quantile)
    measure = residuals or boosting.measure(training.spec, prepared)
    found = _scored(context, training, prepared, bundle, "calibrate", ("valid",), measure)
    scores = found.model.get("valid")
    if quantile is not None:
        counted = scores.histogram if isinstance(scores, ResidualScores) else ScoreHistogram()
        shift = shifted(quantile, counted)
        context.reporter.step_done(shift.told())
        return shift
    assert kind in ("isotonic", "sigmoid")
    context.reporter.step_done({"kind": kind})
    return fitted_calibration(kind, _histogram(scores))


def _scored(
    context: Context,
    training: Training,
    prepared: Prepared,
    bundle: Bundle,
    step: str,
    wanted: Sequence[str],
    measure: Measure | Residuals,
) -> Evaluation:
    """Score the rows of some parts of the data, as a step of the run."""
    keep()  # the workers that predict have no memory for a compiler
    session, counts = context.session(), prepared.counts
    parts = tuple(name for name in wanted if prepared.survey.counts.get(name))
    partitions = [
        part
        for part in context.planned.train_partitions
        if any(counts[part.index].get(name) for name in parts)
    ]
    context.start(step, sum(part.rows for part in partitions))
    found = evaluating.run(
        session.client,
        evaluating.EvaluationWork(
            prepared.data,
            bundle,
            parts,
            evaluating.constant(bundle, prepared.survey),
            measure,
        ),
        partitions,
        threads=session.resources.slots,
        progress=context.watch(step),
    )
    return found


def _histogram(scores: Scores | None) -> ScoreHistogram:
    """Return the validation rows of a binary model by probability and label."""
    own = scores.own if isinstance(scores, CustomScores) else scores
    return own.histogram if isinstance(own, BinaryScores) else ScoreHistogram()


def _measures(found: Evaluation) -> dict[str, Any]:
    return {"results": found.results(), **found.curves()}


def _bundle(
    context: Context,
    training: Training,
    prepared: Prepared,
    fitted: Fitted,
) -> Bundle:
    spec, features = training.spec, prepared.pipeline.features
    rules = training.rules(prepared.pipeline.inputs)
    return Bundle(
        model=fitted.model,
        pipeline=prepared.pipeline,
        types={name: rule.type for name, rule in rules.items() if rule.type},
        rules=rules,
        task=spec.task,
        target=spec.target,
        metrics={
            "history": fitted.history,
            "best_round": fitted.best_round,
            "importance": dict(zip(features, map(float, fitted.importance), strict=True)),
        },
        provenance={
            "job": context.planned.job.name,
            "fingerprint": training_digest(context.planned.job, training),
            "data": training.dataset.fingerprint(),
            "rows": dict(prepared.survey.counts),
            "ledger": prepared.survey.ledger.told(),
            "seed": spec.seed,
            "params": spec.lightgbm_params,
            "versions": versions(),
            **({"base": training.base.told()} if training.base else {}),
        },
        objective=spec.loss,
        classes=prepared.data.classes,
        query=spec.query,
    )


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
