"""The step ``calibrate`` of ``[train]``: probabilities put right, a threshold that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.bundle import Bundle
from engine.calibration import (
    CONFORMAL,
    TEMPERATURE,
    Calibration,
    Chain,
    Counted,
    CountedScores,
    Isotonic,
    Prior,
    Sigmoid,
    fitted,
    fitted_classes,
    mapped,
    shifted,
)
from engine.evaluation.contestants import MODEL, Contestant
from engine.evaluation.measuring import Counts
from engine.metrics import ScoreHistogram
from engine.metrics.residuals import Residuals, ResidualScores
from engine.metrics.threshold import best_fbeta, least_cost
from engine.training.fitting import Prepared
from jobs.sections.context import Context
from jobs.sections.measuring import measured
from jobs.spec.deciding import ThresholdSpec
from jobs.spec.job import TrainSpec
from jobs.work.training import Training


def calibrated(context: Context, training: Training, prepared: Prepared, bundle: Bundle) -> Bundle:
    """Correct, calibrate and decide, so far as the job asks for it.

    Training rows that were left out are corrected for without a look at any row; all else is
    fitted on the validation rows, in one pass over them.
    """
    spec, balance = training.spec, prepared.data.balance
    prior = Prior(balance.kept) if balance else None
    bundle = replace(bundle, calibration=prior)
    if spec.calibrate is None and spec.threshold is None:
        return bundle
    if spec.calibrate == CONFORMAL:
        return replace(bundle, calibration=_shifted(context, training, prepared, bundle))
    classes = 2 if spec.task == "binary" else len(prepared.data.classes or ())
    counting = Counted(classes, spec.calibrate == TEMPERATURE)
    one = Contestant(bundle.model, {MODEL: prior}, Counts(counting))
    outputs = 1 if classes == 2 else classes
    parts = context.planned.train_partitions
    found, _ = measured(
        context, prepared, parts, "calibrate", [one], ("valid",), outputs=outputs, seed=spec.seed
    )
    scores = found.of(MODEL).get("valid", counting.empty())
    assert isinstance(scores, CountedScores)
    own = _fitted(spec, scores)
    links = tuple(link for link in (prior, own) if link is not None)
    told: dict[str, Any] = {"kind": spec.calibrate} if spec.calibrate else {}
    bundle = replace(bundle, calibration=_together(links))
    if spec.threshold is not None:
        assert own is None or isinstance(own, Isotonic | Sigmoid)
        threshold, value = _chosen(spec.threshold, mapped(scores.histograms[0], own))
        told["threshold"] = {"at": threshold, **_asked(spec.threshold), "value": value}
        bundle = replace(bundle, threshold=threshold)
        bundle = replace(bundle, metrics={**bundle.metrics, "threshold": told["threshold"]})
    context.reporter.step_done(told)
    return bundle


def _together(links: tuple[Calibration, ...]) -> Calibration | None:
    return Chain(links) if len(links) > 1 else next(iter(links), None)


def _fitted(spec: TrainSpec, scores: CountedScores) -> Calibration | None:
    if spec.calibrate is None or spec.calibrate == CONFORMAL:
        return None
    if spec.task == "multiclass":
        return fitted_classes(spec.calibrate, scores)
    assert spec.calibrate != TEMPERATURE
    return fitted(spec.calibrate, scores.histograms[0])


def _chosen(asked: ThresholdSpec, histogram: ScoreHistogram) -> tuple[float, float]:
    """Return the best threshold, and how good it is."""
    if asked.by == "f_beta":
        return best_fbeta(histogram, asked.beta or 1.0)
    return least_cost(histogram, asked.false_positive or 0.0, asked.false_negative or 0.0)


def _asked(asked: ThresholdSpec) -> Mapping[str, Any]:
    return {name: value for name, value in asked.to_dict().items() if value is not None}


def _shifted(
    context: Context, training: Training, prepared: Prepared, bundle: Bundle
) -> Calibration:
    """Fit what makes a predicted quantile one."""
    assert bundle.quantile is not None
    measure = Residuals(bundle.quantile)
    one = Contestant(bundle.model, {MODEL: None}, Counts(measure))
    seed, parts = training.spec.seed, context.planned.train_partitions
    found, _ = measured(
        context, prepared, parts, "calibrate", [one], ("valid",), outputs=1, seed=seed
    )
    scores = found.of(MODEL).get("valid", measure.empty())
    assert isinstance(scores, ResidualScores)
    shift = shifted(bundle.quantile, scores.histogram)
    context.reporter.step_done(shift.told())
    return shift
