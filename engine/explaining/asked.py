"""What is wanted of an explanation, and what its tasks share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.bundle import Bundle
from engine.metrics import Measure
from engine.training.preparing import TrainingData

Shap = Literal["sample", "all", "none"]


@dataclass(frozen=True)
class Wanted:
    """What is wanted.

    Attributes:
        rows: Rows of the sample that all but ``shap = "all"`` look at.
        repeats: How often the values of a feature are shuffled; 0: no permutation importance.
        shap: Which rows' contributions are put together: of the sample, of all, of none.
        dependence: Features whose partial dependence is wanted, by name; or of so many of those
            that matter most.
        grid: Values of a feature that its partial dependence is told at, at most.
        curves: Rows of which each has a curve of its own (ICE).
        seed: Of all draws.
    """

    rows: int = 10_000
    repeats: int = 5
    shap: Shap = "sample"
    dependence: tuple[str, ...] | int = 6
    grid: int = 20
    curves: int = 30
    seed: int = 42


@dataclass(frozen=True)
class ExplainWork:
    """What the tasks share.

    Attributes:
        data: The rows, with their split.
        bundle: The model.
        part: The part whose rows are looked at: ``train``, ``valid`` or ``test``.
        measure: How predictions are measured.
        wanted: What is wanted.
    """

    data: TrainingData
    bundle: Bundle
    part: str
    measure: Measure
    wanted: Wanted
