"""The section ``[evaluate]``: the model beside baselines, on all parts of the data, by slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from engine.baselines import Known
from engine.bundle import Bundle
from engine.evaluation import findings
from engine.evaluation.contestants import MODEL, of_bundle, uncalibrated
from engine.evaluation.entrants import baselines, entered
from engine.evaluation.measuring import Metrics
from engine.evaluation.scored import Evaluation
from engine.evaluation.slices import KEPT, Slices
from engine.metrics import Measure, Scores
from engine.training.fitting import Prepared
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.sections.measuring import measured
from jobs.spec.evaluate import EvaluateSpec
from jobs.work.training import Training, slicings

PARTS = ("train", "valid", "test")


def evaluated(context: Context, training: Training, prepared: Prepared, bundle: Bundle) -> Bundle:
    """Measure the model as a step of the run, if the job asks for it.

    Returns:
        The bundle with what was found in its metrics: ``results`` and ``intervals`` by part,
        ``baselines``, ``uncalibrated``, ``slices``, ``warnings``, ``train_share`` and the curves of
        a report.
    """
    spec, asked = training.spec, context.planned.job.evaluate
    if asked is None:
        return bundle
    measure = replace(
        boosting.measure(spec, prepared),
        threshold=bundle.deciding(),
        beta=1.0 if spec.threshold is None else spec.threshold.beta or 1.0,
    )
    if spec.labelled:
        known = Known(spec.task, measure.classes, spec.loss, bundle.quantile)
        beaten = baselines(prepared, known, all_of_them=asked.baseline)
        bundle = replace(bundle, baselines=beaten)
    prior = uncalibrated(bundle.calibration)
    contestants = [
        of_bundle(bundle, Metrics(measure)),
        *entered(bundle.baselines, prior, measure),
    ]
    slices = sliced(asked, prepared, measure)
    found, work = measured(
        context,
        prepared,
        context.planned.train_partitions,
        "evaluate",
        contestants,
        PARTS,
        outputs=measure.classes or bundle.outputs,
        seed=spec.seed,
        slices=slices,
    )
    warnings = findings.told(found, work.slices, measure) if spec.labelled else []
    for text in warnings:
        context.reporter.warning(text)
    context.reporter.step_done(found.results())
    figures = told(found, work.slices)
    figures |= {"train_share": work.share, "warnings": warnings}
    return replace(bundle, metrics={**figures, **bundle.metrics})


def told(found: Evaluation, slices: Slices | None) -> dict[str, Any]:
    """Return what was found as JSON: ``results``, ``intervals``, ``baselines``, ``slices`` ..."""
    return {
        "results": found.results(),
        "intervals": _intervals(found.of(MODEL)),
        **found.beside(),
        **found.curves(),
        **({"slices": _of_slices(found, slices)} if slices else {}),
    }


def _intervals(scores: Mapping[str, Scores]) -> dict[str, dict[str, list[float]]]:
    """Return the confidence intervals of metrics by part; those that are known."""
    return {
        part: {
            name: [low, high]
            for name, (low, high) in one.intervals().items()
            if isfinite(low) and isfinite(high)
        }
        for part, one in scores.items()
    }


def sliced(asked: EvaluateSpec, prepared: Prepared, measure: Measure) -> Slices | None:
    """Return what the model is measured by beside; the values are those of the sample."""
    found = tuple(
        replace(one, levels=one.frequent(prepared.sample)) for one in slicings(asked, prepared.data)
    )
    return Slices(found, Metrics(measure, KEPT), ()) if found else None


def _of_slices(found: Evaluation, slices: Slices) -> list[dict[str, Any]]:
    """Return the metrics of all slices by part, with their intervals, as JSON."""
    return [
        {
            "by": slicing.text,
            "value": slicing.name(place),
            "results": {part: one.results() for part, one in scores.items()},
            "intervals": _intervals(scores),
        }
        for number, slicing in enumerate(slices.slicings)
        for place, scores in found.sliced(number)
    ]
