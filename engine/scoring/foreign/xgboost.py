"""An XGBoost model in its JSON format (or UBJSON), which holds no code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import polars as pl

from engine.errors import SpecError
from engine.scoring.added import PREDICTION, PROBABILITY
from engine.scoring.foreign.files import content, digest
from engine.scoring.foreign.loader import Loaded
from engine.scoring.foreign.matrix import matrix

_PACKAGES = ("xgboost-cpu", "xgboost")
"""Distributions that hold the package; the first is the small one, without NVIDIA's libraries."""

_WRITE = 'write it with booster.save_model("model.json")'

Maker = Callable[[np.ndarray], Any]
"""Makes a column of what `Booster.predict` returned."""


@dataclass(frozen=True)
class Xgboost:
    """A booster, as ``Booster.save_model("model.json")`` or ``.ubj`` wrote it.

    One that was trained on named features gets the columns of these names, any other one the
    ``inputs`` in their order. Rounds after the best one are left out where early stopping has told
    it, as XGBoost's own scikit-learn estimators do. The columns that it can make are
    ``prediction``; ``probability`` with the objective ``binary:logistic``;
    ``probability_<number of the class>`` with ``multi:softprob``.

    Attributes:
        path: The file.
    """

    path: str

    @property
    def title(self) -> str:
        """Name the file."""
        return f"the XGBoost model {self.path}"

    @property
    def section(self) -> str:
        """Its part of the job file."""
        return "score.xgboost"

    def options(self) -> dict[str, Any]:
        """Return nothing: the file decides all."""
        return {}

    def load(self, inputs: tuple[str, ...], columns: tuple[str, ...], threads: int) -> Loaded:
        """Load it; check its features and that it can make the columns."""
        data = content(self.path)
        booster = _booster(data, threads)
        features = _features(booster, inputs)
        objective, classes = _learned(booster)
        makers = {name: _maker(objective, classes, name) for name in columns}
        rounds = _rounds(booster)

        def call(frame: pl.DataFrame) -> dict[str, Any]:
            from xgboost import DMatrix

            rows = DMatrix(
                matrix(frame.select(features), np.float32),
                feature_names=booster.feature_names,
                feature_types=booster.feature_types,
                nthread=threads,
                enable_categorical=True,
            )
            said = booster.predict(rows, iteration_range=(0, rounds))
            return {name: make(said) for name, make in makers.items()}

        return Loaded(call, {"file": digest(data), "xgboost": _version()})


def _booster(data: bytes, threads: int) -> Any:
    try:
        from xgboost import Booster
    except ImportError as error:
        hint = "pip install 'millrace[xgboost]', on the workers too"
        raise SpecError("needs the package xgboost", hint=hint) from error
    if data[:1] != b"{":  # of both formats; a file of XGBoost's old binary one, or a pickle
        raise SpecError("is no model of XGBoost in JSON or UBJSON", hint=_WRITE)
    try:  # on a damaged file XGBoost may end the process, which is one of the model's own
        return Booster({"nthread": threads}, model_file=bytearray(data))
    except Exception as error:  # XGBoostError, which may hold a trace of C++
        told = (str(error).strip().splitlines() or [""])[0][:300]
        raise SpecError(f"is no model of XGBoost: {told}", hint=_WRITE) from error


def _features(booster: Any, inputs: tuple[str, ...]) -> list[str]:
    """Return the columns in the order of the booster."""
    if names := booster.feature_names:
        if set(names) != set(inputs):
            hint = f"inputs = {list(names)}".replace("'", '"')
            raise SpecError(f"was trained on {', '.join(names)}, not on `inputs`", hint=hint)
        return list(names)
    if booster.num_features() != len(inputs):
        what = f"was trained on {booster.num_features()} features, and `inputs` has {len(inputs)}"
        raise SpecError(what, hint="name them in the order in which it was trained")
    return list(inputs)


def _learned(booster: Any) -> tuple[str, int]:
    """Return the objective and the number of classes, 0 where there are none."""
    learner = json.loads(booster.save_config())["learner"]
    classes = int(learner["learner_model_param"]["num_class"])
    return learner["learner_train_param"]["objective"], classes


def _rounds(booster: Any) -> int:
    try:
        return int(booster.best_iteration) + 1
    except AttributeError:  # trained without early stopping
        return int(booster.num_boosted_rounds())


def _maker(objective: str, classes: int, column: str) -> Maker:
    """Return what makes a column of the predictions."""
    if objective == "binary:logistic":
        possible: dict[str, Maker] = {
            PREDICTION: lambda said: (said > 0.5).astype(np.int8),
            PROBABILITY: lambda said: said,
        }
    elif objective == "multi:softprob":
        possible = {PREDICTION: lambda said: said.argmax(axis=1)}
        possible |= {f"{PROBABILITY}_{at}": _column(at) for at in range(classes)}
    else:
        possible = {PREDICTION: lambda said: said}
    if column not in possible:
        what = f"cannot make the column {column}: its objective is {objective}"
        raise SpecError(what, hint=f"it can make {', '.join(possible)}")
    return possible[column]


def _column(place: int) -> Maker:
    return lambda said: said[:, place]


def _version() -> str:
    for name in _PACKAGES:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "unknown"
