"""Several models over one read of the rows: each adds its columns, one more may combine them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.classes import Class
from engine.errors import SpecError
from engine.scoring.added import PREDICTION, prediction_columns, predictions
from engine.scoring.model import Model


def named(column: str, name: str) -> str:
    """Return what a column of one model of several is called: ``probability_yes_champion``.

    Args:
        column: What the model itself calls it, such as ``probability_yes``.
        name: Name of the model.
    """
    return f"{column}_{name}"


class Combination(Protocol):
    """Makes one prediction of those of several models."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that it reads beside those that the models add."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what it makes of them."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Name and type of each column that it adds, in order."""

    def combine(self, rows: pl.DataFrame, added: Mapping[str, pl.Series]) -> list[pl.Series]:
        """Return its `columns`.

        Args:
            rows: The rows, with its `inputs`.
            added: Columns of the models, one value a row, called as `named` calls them.
        """


@dataclass(frozen=True)
class Several:
    """Models that predict the same rows one after the other; an `engine.scoring.model.Model`.

    Attributes:
        models: The models by name, in the order of their columns.
        combination: Makes one prediction of theirs; ``None``: they stand side by side.

    Raises:
        SpecError: Two columns would have one name.
    """

    models: Mapping[str, Model]
    combination: Combination | None = None

    def __post_init__(self) -> None:
        """Refuse columns of the same name, as of the models ``b`` and ``a_b``."""
        names = [named(c, name) for name, model in self.models.items() for c in model.columns]
        names += self.combination.columns if self.combination else ()
        for name, count in Counter(names).items():
            if count > 1:
                raise SpecError(
                    f"two of the models would add a column {name!r}",
                    where="score.models",
                    hint="give one of the models another name",
                )

    @property
    def added(self) -> dict[str, pl.DataType]:
        """Name and type of the columns of the models, without those that combine them."""
        return {
            named(column, name): kind
            for name, model in self.models.items()
            for column, kind in model.columns.items()
        }

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that any of them reads, each once."""
        more = self.combination.inputs if self.combination else ()
        read = (column for model in self.models.values() for column in model.inputs)
        return tuple(dict.fromkeys((*read, *more)))

    @property
    def digest(self) -> str:
        """SHA-256 of names, models, their order and the combination."""
        models = [[name, model.digest] for name, model in self.models.items()]
        told = [models, self.combination.digest if self.combination else None]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Those of each model in turn, then those of the combination."""
        return {**self.added, **(self.combination.columns if self.combination else {})}

    def predict(self, rows: pl.DataFrame) -> list[pl.Series]:
        """Predict with one model after the other, so that one matrix of features is held."""
        added = {
            named(one.name, name): one.alias(named(one.name, name))
            for name, model in self.models.items()
            for one in model.predict(rows)
        }
        combined = self.combination.combine(rows, added) if self.combination else []
        return [*added.values(), *combined]


@dataclass(frozen=True)
class Mean:
    """The weighted mean of what models say of the same label; a `Combination`.

    It is taken of the columns as they are written (float32), in float64, model by model in their
    order: ``sum(w_i * p_i) / sum(w_i)``. The label is the one that the mean chooses.

    Attributes:
        weights: Weight of each model by its name, in the order of the models.
        task: Task of all of them: ``binary``, ``multiclass`` or ``regression``.
        classes: Values of the label in the order of their codes; none when it is a number.
        threshold: Probability above which a binary prediction is the second class.
    """

    weights: Mapping[str, float]
    task: str
    classes: tuple[Class, ...] = ()
    threshold: float = 0.5

    @property
    def inputs(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def digest(self) -> str:
        """SHA-256 of the weights and of what is combined."""
        told = [list(self.weights.items()), self.task, self.classes, self.threshold]
        return hashlib.sha256(json.dumps(["mean", told]).encode()).hexdigest()

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Those that one such model would add."""
        return prediction_columns(self.task, self.classes)

    @property
    def taken(self) -> list[str]:
        """Columns that the mean is taken of: probabilities, or the prediction where it has none."""
        return [name for name in self.columns if name != PREDICTION] or [PREDICTION]

    def combine(self, rows: pl.DataFrame, added: Mapping[str, pl.Series]) -> list[pl.Series]:
        """Return the mean, and the label that it chooses."""
        means = [self._mean([added[named(c, n)] for n in self.weights]) for c in self.taken]
        scores = np.column_stack(means) if self.task == "multiclass" else means[0]
        return predictions(self.task, scores, self.threshold, self.classes)

    def _mean(self, columns: Sequence[pl.Series]) -> npt.NDArray[np.float64]:
        total = np.zeros(len(columns[0]))
        for column, weight in zip(columns, self.weights.values(), strict=True):
            total += column.to_numpy().astype(np.float64) * weight
        return total / sum(self.weights.values())


@dataclass(frozen=True)
class Stacked:
    """A model that reads what the others add, and columns of the data; a `Combination`.

    Attributes:
        model: What predicts from them.
        kinds: Columns of the other models that it reads, and the type that it reads them in.
    """

    model: Model
    kinds: Mapping[str, pl.DataType]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the data that it reads."""
        return tuple(name for name in self.model.inputs if name not in self.kinds)

    @property
    def digest(self) -> str:
        """That of the model."""
        return self.model.digest

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Those of the model."""
        return self.model.columns

    def combine(self, rows: pl.DataFrame, added: Mapping[str, pl.Series]) -> list[pl.Series]:
        """Return what the model makes of the rows with the columns of the others."""
        read = [added[name].cast(kind) for name, kind in self.kinds.items()]
        return self.model.predict(rows.with_columns(read))
