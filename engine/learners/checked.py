"""Rows that an estimator of scikit-learn can learn from: looked at where they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.source import Rows, RowSource, ShardPart
from engine.errors import ContractRefused


@dataclass(frozen=True)
class Demands:
    """What an estimator wants of its rows.

    Attributes:
        name: The estimator, for messages.
        missing: Whether a value may be missing.
        positive: Whether no value may be below 0.
    """

    name: str
    missing: bool
    positive: bool

    @classmethod
    def of(cls, name: str, estimator: Any) -> Demands:
        """Return what scikit-learn itself says of an estimator."""
        tags = estimator.__sklearn_tags__().input_tags
        return cls(name, bool(tags.allow_nan), bool(tags.positive_only))

    def check(self, x: npt.NDArray[np.float32], features: tuple[str, ...]) -> None:
        """Refuse rows with the name of a feature.

        Raises:
            ContractRefused: A value is missing, infinite or below 0 where it may not be.
        """
        infinite = np.isinf(x).any(axis=0)
        if not self.missing and (gone := np.isnan(x).any(axis=0)).any():
            raise ContractRefused(
                f"feature {features[int(gone.argmax())]!r} has missing values, which {self.name} "
                "does not take",
                where="features.steps",
                hint=f'add a step such as {{ impute = ["{features[int(gone.argmax())]}"], '
                'with = "median" }',
            )
        if infinite.any():
            raise ContractRefused(
                f"feature {features[int(infinite.argmax())]!r} has values that are infinite as "
                f"float32, which {self.name} does not take",
                where="features.steps",
                hint="clip the feature, or filter such rows in the contract",
            )
        if self.positive and (below := (x < 0).any(axis=0)).any():
            raise ContractRefused(
                f"feature {features[int(below.argmax())]!r} has values below 0, and {self.name} "
                "learns from counts",
                where="features.steps",
                hint='scale it into a range from 0 (with = "minmax"), or use sklearn.GaussianNB',
            )


def training_rows(source: RowSource, part: ShardPart, demands: Demands) -> Rows:
    """Return the training rows of a partition, `Demands.check`ed.

    Raises:
        ContractRefused: They are not such as the estimator wants.
    """
    rows = source.read(part.partition, "train")
    if part.valid:
        # A source keeps a partition until its validation rows are asked for too.
        source.read(part.partition, "valid")
    demands.check(rows.x, source.features)
    return rows


def notes(source: RowSource, name: str) -> list[str]:
    """Return what is to know of the features: codes of categories are taken as numbers."""
    codes = [source.features[place] for place in source.categorical]
    if not codes:
        return []
    listed = ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")
    return [
        f"{name} takes the codes of categories as plain numbers, of {listed}: "
        'an encode step with = "onehot" makes features of them'
    ]


def labels(rows: Rows, task: str) -> npt.NDArray[np.generic]:
    """Return labels as scikit-learn takes them: codes of classes as integers."""
    return rows.y.astype(np.int64 if task in ("binary", "multiclass") else np.float64)


def uncalibrated(name: str) -> str:
    """Return the note that an estimator tells margins, made to look like probabilities."""
    return (
        f"{name} says no probabilities: its margins are squashed between 0 and 1 and order rows, "
        'no more; train.calibrate = "sigmoid" or "isotonic" makes probabilities of them'
    )
