"""What the steps ``calibrate`` and ``evaluate`` hold, beside the rows that they read."""

from __future__ import annotations

from engine.baselines import ABOUT
from engine.evaluation.slices import KEPT, MOST
from engine.learners.estimator import UNLABELLED
from engine.memory import Measured
from engine.metrics.sample import SAMPLE
from jobs.spec.evaluate import EvaluateSpec
from jobs.work.evaluating import Evaluating
from jobs.work.scorer import CLASSES
from jobs.work.training import Training

_PARTS = 3
_HELD_OUT = 2


def calibration(training: Training) -> Measured:
    """Return what is counted of the validation rows: of several classes each against the rest."""
    return Measured(outputs=_outputs(training))


def existing(work: Evaluating) -> Measured:
    """Return what ``[evaluate]`` measures of a model that is there already, on one part."""
    spec, bundle = work.spec, work.bundle
    told = 1 + (bundle.calibration is not None) + len(bundle.baselines)
    slices = len(spec.by) * (MOST + 1)
    sampled = SAMPLE if bundle.task in UNLABELLED else 0
    return Measured(told, 1, slices, len(spec.by), work.outputs, KEPT, sampled)


def evaluation(spec: EvaluateSpec, training: Training) -> Measured:
    """Return what ``[evaluate]`` measures: the model, before a calibration too, and baselines."""
    told = 1 + bool(training.spec.calibrate)
    if training.spec.labelled:
        told += len(ABOUT) if spec.baseline else 1
    slices = len(spec.by) * (MOST + 1) * _HELD_OUT
    sampled = 0 if training.spec.labelled else SAMPLE
    return Measured(told, _PARTS, slices, len(spec.by), _outputs(training), KEPT, sampled)


def _outputs(training: Training) -> int:
    """Return the numbers of a prediction; where only training will tell the classes, a guess."""
    if training.spec.task != "multiclass":
        return 1
    return len(training.data.classes or range(CLASSES))
