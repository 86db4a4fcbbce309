"""Mergeable scores of everybody in an evaluation, by part of the data and by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.baselines import CONSTANT
from engine.evaluation.contestants import BASELINES, MODEL, UNCALIBRATED
from engine.metrics import Scores
from engine.metrics.reliability import expected_error

K = TypeVar("K")
Results = dict[str, Any]

BASELINE = "baseline_"
"""What stands in front of a part in `Evaluation.results`, for the constant."""


@dataclass(frozen=True)
class Evaluation:
    """What was found of some rows.

    Attributes:
        scores: By contestant and part.
        slices: Those of the model: by number of the slicing, number of the slice in it, and part.
    """

    scores: Mapping[tuple[str, str], Scores] = field(default_factory=dict)
    slices: Mapping[tuple[int, int, str], Scores] = field(default_factory=dict)

    def merge(self, other: Evaluation) -> Evaluation:
        """Return the scores of both sets of rows; ``other`` are the rows that follow."""
        return Evaluation(_merged(self.scores, other.scores), _merged(self.slices, other.slices))

    def of(self, contestant: str) -> dict[str, Scores]:
        """Return the scores of one contestant by part."""
        return {part: one for (name, part), one in self.scores.items() if name == contestant}

    def results(self) -> dict[str, Results]:
        """Return the model's metrics by part, and the constant's as ``baseline_<part>``."""
        own = {part: scores.results() for part, scores in self.of(MODEL).items()}
        constant = self.of(CONSTANT).items()
        return own | {f"{BASELINE}{part}": scores.results() for part, scores in constant}

    def beside(self) -> dict[str, Any]:
        """Return the metrics of all others by part, where there are any.

        Under ``baselines`` by the name of each, and under ``uncalibrated`` those of the model
        before it was calibrated; under ``calibration_error`` by contestant and part how far the
        probability of the second of two classes is from the share of it, on average; of several
        classes, how far that of the predicted class is from the share of rows that it is right of.
        """
        found = {name: _results(self.of(name)) for name in BASELINES if self.of(name)}
        told: dict[str, Any] = {"baselines": found} if found else {}
        if before := self.of(UNCALIBRATED):
            told[UNCALIBRATED] = _results(before)
        errors = {name: _errors(self.of(name)) for name in (UNCALIBRATED, MODEL)}
        if errors[MODEL]:
            told["calibration_error"] = {name: found for name, found in errors.items() if found}
        return told

    def curves(self) -> dict[str, dict[str, Any]]:
        """Return what a report draws of the model's scores: by figure, and then by part."""
        found: dict[str, dict[str, Any]] = {}
        for part, scores in self.of(MODEL).items():
            for figure, values in scores.curves().items():
                found.setdefault(figure, {})[part] = values
        return found

    def sliced(self, slicing: int) -> Iterator[tuple[int, dict[str, Scores]]]:
        """Yield the numbers of the slices of one slicing, with their scores by part."""
        places = sorted({place for number, place, _ in self.slices if number == slicing})
        for place in places:
            keys = (key for key in self.slices if key[:2] == (slicing, place))
            yield place, {key[2]: self.slices[key] for key in keys}


def _results(scores: Mapping[str, Scores]) -> dict[str, Results]:
    return {part: one.results() for part, one in scores.items()}


def _errors(scores: Mapping[str, Scores]) -> dict[str, float]:
    """Return the expected calibration error by part, where probabilities are counted in bins.

    Of several classes it is the top-label error, of the predicted class alone, whichever that is:
    Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks", equation 3.
    (It says nothing of the other classes, nor of single ones: Gupta and Ramdas 2022, "Top-label
    calibration and multiclass-to-binary reductions", ask more.)
    """
    curves = {part: one.curves() for part, one in scores.items()}
    bins = {part: one.get("calibration", one.get("confidence")) for part, one in curves.items()}
    return {part: expected_error(found) for part, found in bins.items() if found}


def _merged(one: Mapping[K, Scores], two: Mapping[K, Scores]) -> dict[K, Scores]:
    """Return what either has, merged where both have it."""
    both = {key: one[key].merge(two[key]) for key in one if key in two}
    return {**one, **two, **both}
