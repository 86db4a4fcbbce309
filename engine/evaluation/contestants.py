"""Who is measured: the model, as it is told and before it is calibrated, and the baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.baselines import ABOUT
from engine.bundle import Bundle
from engine.calibration import Calibration, Chain, Prior
from engine.evaluation.measuring import Measuring
from engine.models import Learned

MODEL: Final = "model"
UNCALIBRATED: Final = "uncalibrated"
BASELINES: Final = tuple(ABOUT)
"""Names of the contestants; those of the baselines are of `engine.baselines`."""


@dataclass(frozen=True)
class Contestant:
    """A model and the ways in which it is told: it predicts once for all of them.

    Attributes:
        model: What predicts.
        told: By the name under which it is measured: what is made of the predictions.
        measure: How rows are measured.
    """

    model: Learned
    told: Mapping[str, Calibration | None]
    measure: Measuring


def of_bundle(bundle: Bundle, measure: Measuring) -> Contestant:
    """Return the model of a bundle; beside it, without its calibration, where it has one."""
    told: dict[str, Calibration | None] = {MODEL: bundle.calibration}
    before = uncalibrated(bundle.calibration)
    if before != bundle.calibration:
        told[UNCALIBRATED] = before
    return Contestant(bundle.model, told, measure)


def uncalibrated(calibration: Calibration | None) -> Calibration | None:
    """Return what corrects the prior, which is no calibration: without it nothing is comparable."""
    if isinstance(calibration, Chain):
        calibration = calibration.links[0]
    return calibration if isinstance(calibration, Prior) else None
