"""The section ``[evaluate]`` of a model that is there already: what it is worth on other rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from engine.baselines import CONSTANT
from engine.bundle import Bundle
from engine.evaluation import findings
from engine.evaluation.contestants import MODEL, of_bundle, uncalibrated
from engine.evaluation.entrants import entered
from engine.evaluation.measuring import Metrics
from engine.evaluation.since import Then
from engine.evaluation.survey import PART, surveyed
from engine.learners.estimator import UNLABELLED
from engine.metrics import Scores
from engine.training.fitting import Prepared
from engine.uniqueness import assert_unique
from jobs.sections.context import Context
from jobs.sections.evaluating import sliced, told
from jobs.sections.measuring import measured
from jobs.work.evaluating import SECTION, Evaluating

STANDING: Final = ("threshold", "importance")
"""What a bundle says of its model that holds for any rows."""


def remeasured(context: Context, work: Evaluating) -> Bundle:
    """Measure a model on labelled rows, as steps of the run.

    Returns:
        The model, with what was found of it on these rows instead of what its training told:
        ``results``, ``intervals``, ``slices`` and so on as of `evaluated`, ``trained``: the metrics
        that it had then, and ``notes``. Nothing is written into its folder.
    """
    prepared = _survey(context, work)
    bundle, measure = work.bundle, work.measure
    baselines = {
        name: model
        for name, model in bundle.baselines.items()
        if work.spec.baseline or name == CONSTANT
    }
    found, done = measured(
        context,
        prepared,
        context.planned.evaluate_partitions,
        "evaluate",
        [
            of_bundle(bundle, Metrics(measure)),
            *entered(baselines, uncalibrated(bundle.calibration), measure),
        ],
        (PART,),
        outputs=work.outputs,
        seed=work.seed,
        slices=sliced(work.spec, prepared, measure),
    )
    then = Then.of(bundle.metrics)
    labelled = work.data.target is not None
    warnings = findings.told(found, done.slices, measure) if labelled else []
    warnings += _since(then, found.of(MODEL)[PART], work)
    for text in warnings:
        context.reporter.warning(text)
    context.reporter.step_done(found.results())
    standing = {name: bundle.metrics[name] for name in STANDING if name in bundle.metrics}
    figures: dict[str, Any] = {**standing, **told(found, done.slices)}
    figures |= {"warnings": warnings, "notes": list(_notes(work, then))}
    figures |= {"trained": then.told()} if then else {}
    return replace(bundle, metrics=figures, provenance=_provenance(work, prepared))


def _survey(context: Context, work: Evaluating) -> Prepared:
    session, partitions = context.session(), context.planned.evaluate_partitions
    context.start("survey", work.dataset.rows)
    prepared = surveyed(
        session.client,
        work.data,
        work.bundle.pipeline,
        partitions,
        threads=session.resources.slots,
        seed=work.seed,
        bad=context.bad_rows(SECTION, work.dataset.name),
        progress=context.watch("survey"),
    )
    assert_unique(session.client, work.dataset, threads=session.resources.slots)
    prepared.survey.ledger.check(work.dataset.rows_by_file())
    context.reporter.step_done({"rows": dict(prepared.survey.counts)})
    return prepared


def _since(then: Then | None, now: Scores, work: Evaluating) -> list[str]:
    """Return what has to be told of the model's metric beside what it was in training."""
    metric, measure = work.measure.followed[0], work.measure
    worse = then.worse(now, metric, measure.better(metric)) if then else None
    return [worse] if worse else []


def _notes(work: Evaluating, then: Then | None) -> Iterator[str]:
    """Yield what a reader should know of how the model was measured."""
    if work.dataset.fingerprint() == work.bundle.provenance.get("data"):
        yield (
            "these are the data that the model was trained on: most of the rows are no test of it"
        )
    note = then.note(work.measure.followed[0]) if then else None
    if note:
        yield note
    if not work.bundle.baselines and work.bundle.task not in UNLABELLED:
        yield (
            "there are no baselines: they are fitted on training rows, and the model was trained "
            "without [evaluate]"
        )


def _provenance(work: Evaluating, prepared: Prepared) -> dict[str, Any]:
    """Return where the model comes from, and what it was measured on."""
    survey = prepared.survey
    return {
        **work.bundle.provenance,
        "data": work.dataset.fingerprint(),
        "rows": dict(survey.counts),
        "ledger": survey.ledger.told(),
    }
