"""A scikit-learn estimator in the format of skops, which holds no code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import polars as pl

from engine.classes import text_of
from engine.errors import SpecError
from engine.scoring.added import PREDICTION, PROBABILITY
from engine.scoring.foreign.files import content, digest
from engine.scoring.foreign.loader import Loaded
from engine.scoring.foreign.matrix import matrix

_DECIDING = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


@dataclass(frozen=True)
class Skops:
    """A scikit-learn estimator or pipeline.

    One that was fitted on a frame with names gets a pandas frame, any other a matrix of float64.
    The columns that it can make are ``prediction``, ``probability`` (of the second of two classes)
    and ``probability_<class>``.

    Attributes:
        path: The file.
        trusted: Types beyond skops' own list that may be made while it is loaded.
    """

    path: str
    trusted: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name the file."""
        return f"the scikit-learn model {self.path}"

    @property
    def section(self) -> str:
        """Its part of the job file."""
        return "score.skops"

    def options(self) -> dict[str, Any]:
        """Return nothing: the file decides all."""
        return {}

    def load(self, inputs: tuple[str, ...], columns: tuple[str, ...], threads: int) -> Loaded:
        """Load it; check its features and that it can make the columns."""
        data = content(self.path)
        model = _estimator(data, self.trusted)
        shaped = _shaped(model, inputs)
        makers = {name: _maker(model, name) for name in columns}
        methods = sorted({method for method, _ in makers.values()})

        def call(frame: pl.DataFrame) -> dict[str, Any]:
            rows = shaped(frame)
            found = {method: np.asarray(getattr(model, method)(rows)) for method in methods}
            return {
                name: found[method] if at is None else found[method][:, at]
                for name, (method, at) in makers.items()
            }

        return Loaded(call, {"file": digest(data), **_versions()})


def _estimator(data: bytes, trusted: tuple[str, ...]) -> Any:
    """Load the estimator when all of its types are trusted; nothing is made before."""
    try:
        from skops.io import get_untrusted_types, loads
    except ImportError as error:
        hint = "pip install 'millrace[skops]', on the workers too"
        raise SpecError("needs the packages skops and scikit-learn", hint=hint) from error
    try:
        strange = sorted(set(get_untrusted_types(data=data)) - set(trusted))
    except Exception as error:  # zipfile, json, and skops' own
        told = str(error).partition("\n")[0][:300]
        hint = "write it with skops.io.dump; pickle and joblib files run code, and are not read"
        raise SpecError(f"is no file of skops: {told}", hint=hint) from error
    if strange:
        named = ", ".join(f'"{name}"' for name in strange)
        raise SpecError(
            "has types that are not trusted (skops.io.get_untrusted_types): " + ", ".join(strange),
            hint=f"look at them; if they may be loaded, say trusted = [{named}]",
        )
    return loads(data, trusted=list(trusted))


def _shaped(model: Any, inputs: tuple[str, ...]) -> Callable[[pl.DataFrame], Any]:
    """Return what makes of a batch what the estimator was fitted on."""
    if (names := getattr(model, "feature_names_in_", None)) is not None:
        features = [str(name) for name in names]
        if set(features) != set(inputs):
            hint = f"inputs = {features}".replace("'", '"')
            raise SpecError(f"was fitted on {', '.join(features)}, not on `inputs`", hint=hint)
        return lambda frame: frame.select(features).to_pandas()
    width = getattr(model, "n_features_in_", len(inputs))
    if width != len(inputs):
        hint = "name them in the order in which it was fitted"
        raise SpecError(
            f"was fitted on {width} features, and `inputs` has {len(inputs)}", hint=hint
        )
    return lambda frame: matrix(frame, np.float64)


def _maker(model: Any, column: str) -> tuple[str, int | None]:
    """Return the method that makes a column, and the column of its result."""
    if column == PREDICTION:
        return "predict", None
    possible = [PREDICTION]
    if hasattr(model, "predict_proba"):
        classes = [text_of(one) for one in np.asarray(model.classes_).tolist()]
        names = [f"{PROBABILITY}_{one}" for one in classes]
        if column in names:
            return "predict_proba", names.index(column)
        if column == PROBABILITY and len(classes) == 2:
            return "predict_proba", 1
        possible += [*([PROBABILITY] if len(classes) == 2 else []), *names]
    raise SpecError(f"cannot make the column {column}", hint=f"it can make {', '.join(possible)}")


def _versions() -> dict[str, str]:
    found = {}
    for name in _DECIDING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
