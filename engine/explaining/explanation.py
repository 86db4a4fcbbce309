"""What was found of a model, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.explaining.dependence import Dependence

SHOWN = 20
"""Features whose single contributions are kept."""
POINTS = 300
"""Rows whose single contributions are kept."""


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Attributes:
        part: The part whose rows were looked at.
        rows: Rows of the sample.
        seen: Rows of that part.
        metric: The metric of the permutation importance.
        value: That metric of the sample as it is.
        permutation: Drop of the metric by feature, for each shuffle.
        shap: Mean absolute contribution by feature; empty: the model is not of trees.
        shap_rows: Rows that it is the mean of.
        points: By feature: values and contributions of single rows, those of the features with the
            largest contributions.
        dependence: Partial dependence by feature.
    """

    part: str
    rows: int
    seen: int
    metric: str
    value: float
    permutation: Mapping[str, Sequence[float]] = field(default_factory=dict)
    shap: Mapping[str, float] = field(default_factory=dict)
    shap_rows: int = 0
    points: Mapping[str, Sequence[tuple[float | None, float]]] = field(default_factory=dict)
    dependence: Mapping[str, Dependence] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "explained": {
                "part": self.part,
                "rows": self.rows,
                "of": self.seen,
                "metric": self.metric,
                "value": self.value,
                "shap_rows": self.shap_rows,
            },
            "permutation": {
                name: {"mean": float(np.mean(drops)), "sd": float(np.std(drops))}
                for name, drops in self.permutation.items()
            },
            "shap": {
                name: {"mean_abs": size, "sample": [list(one) for one in self.points.get(name, ())]}
                for name, size in self.shap.items()
            },
            "dependence": {name: one.told() for name, one in self.dependence.items()},
        }
