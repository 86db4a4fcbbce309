"""An estimator as a bundle of a model, and back: what jobs write and ``[score]`` reads.

Categories become a step of the bundle's pipeline, so that the bundle prepares rows by itself. What
only an estimator has (its arguments, what was measured) is JSON in the provenance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from engine import registry
from engine.bundle import Bundle
from engine.errors import ModelError
from engine.estimator.columns import Columns, Kind, Levels
from engine.estimator.refusal import Unfit
from engine.features.codes import LEVEL
from engine.features.encode.category import Codes
from engine.features.fitted import FittedPipeline
from engine.learners import LIGHTGBM, Task
from engine.models import Learned
from engine.schema import TYPES, type_name

_PYTHON: Final = "python"
"""Key of the provenance that holds what only an estimator has."""

_APART: Final = ("client", "scratch")
"""Arguments that say where the work was done."""

_PAIRS: Final = "$pairs"
"""Marks a mapping, whose keys need not be text."""


@dataclass(frozen=True)
class Kept:
    """A fitted estimator, its model apart.

    Attributes:
        owner: Name of its class.
        arguments: Of its constructor.
        attributes: Fitted attributes by name, plain data.
        columns: The features.
        levels: Categories of the levelled ones.
        task: What it has learned.
        classes: Of a classifier, in order.
    """

    owner: str
    arguments: Mapping[str, Any]
    attributes: Mapping[str, Any]
    columns: Columns
    levels: Levels
    task: Task
    classes: npt.NDArray[Any] | None = None

    def bundle(self, model: Learned) -> Bundle:
        """Return the bundle.

        Raises:
            Unfit: An argument is no plain data.
        """
        arguments = {name: v for name, v in self.arguments.items() if name not in _APART}
        plain = {name: _plain(v, name) for name, v in arguments.items()}
        own = {
            "class": self.owner,
            "arguments": plain,
            "attributes": {name: _plain(v, name) for name, v in self.attributes.items()},
            "kinds": list(self.columns.kinds),
            "named": self.columns.named,
            "labels": None if self.classes is None else self.classes.dtype.str,
        }
        return Bundle(
            model=model,
            pipeline=_pipeline(self.columns, self.levels),
            types=_types(self.columns),
            rules={},
            task=self.task,
            target=None,
            metrics={},
            provenance={
                "estimator": arguments.get("learner", LIGHTGBM),
                "params": {n: v for n, v in plain.items() if not isinstance(v, dict)},
                "versions": {"millrace": version("millrace")},
                _PYTHON: own,
            },
            objective=arguments.get("objective"),
            classes=None if self.classes is None else tuple(self.classes.tolist()),
        )

    @classmethod
    def of(cls, bundle: Bundle) -> Kept:
        """Return what `bundle` was made of.

        Raises:
            ModelError: A job has trained it.
        """
        if (own := bundle.provenance.get(_PYTHON)) is None:
            raise ModelError(
                "this model was trained by a job: no estimator was saved here",
                hint="score with it in a job, [score] model = …",
            )
        names = bundle.pipeline.features
        types = tuple(TYPES.get(bundle.types.get(name, ""), pl.Null()) for name in names)
        kinds = tuple(cast(Kind, kind) for kind in own["kinds"])
        columns = Columns(names, kinds, own["named"], types)
        labels = own["labels"]
        return cls(
            own["class"],
            {name: _restored(value) for name, value in own["arguments"].items()},
            {name: _restored(value) for name, value in own["attributes"].items()},
            columns,
            _levels(columns, bundle.pipeline),
            cast(Task, bundle.task),
            None if labels is None else np.array(bundle.classes, np.dtype(labels)),
        )


def written(kept: Kept, model: Learned, root: Path) -> Path:
    """Write an estimator as the next version under a path, and return the version's folder.

    Raises:
        Unfit: An argument is no plain data.
    """
    return registry.save(kept.bundle(model).files(), root)


def opened(reference: str, owner: str) -> tuple[Kept, Learned]:
    """Return an estimator and its model.

    Args:
        reference: ``path@latest``, ``path@3`` or ``path``.
        owner: The class that is wanted.

    Raises:
        ModelError: There is none, it is damaged, or of another class.
    """
    folder, bundle = registry.open_model(reference)
    kept = Kept.of(bundle)
    if kept.owner != owner:
        hint = f"engine.estimator.{kept.owner}.load({reference!r})"
        raise ModelError(f"this is no {owner} but a {kept.owner}", where=str(folder), hint=hint)
    return kept, bundle.model


def _pipeline(columns: Columns, levels: Levels) -> FittedPipeline:
    """Return the step that makes codes of text, before it what makes codes of numbers whole."""
    tables = {
        columns.names[i]: pl.DataFrame({LEVEL: pl.Series(list(texts), dtype=pl.String)})
        for i, texts in levels.items()
    }
    steps = (Codes(tables, dict.fromkeys(tables), True, {}),) if tables else ()
    coded = [n for n, kind in zip(columns.names, columns.kinds, strict=True) if kind == "code"]
    return FittedPipeline({n: _whole(n) for n in coded}, steps, columns.names, columns.names)


def _whole(name: str) -> str:
    number = f'floor(cast("{name.replace(chr(34), 2 * chr(34))}" as double))'
    return f"case when {number} >= 0 then {number} end"


def _levels(columns: Columns, pipeline: FittedPipeline) -> dict[int, tuple[str, ...]]:
    tables = {n: table for step in pipeline.steps for n, table in cast(Codes, step).levels.items()}
    return {i: tuple(tables[columns.names[i]][LEVEL].to_list()) for i in columns.levelled}


def _types(columns: Columns) -> dict[str, str]:
    """Return the types that rows are read with; those of categories are text."""
    types = zip(columns.names, columns.kinds, columns.types, strict=True)
    named = {n: "string" if kind == "level" else type_name(one) for n, kind, one in types}
    return {n: kind for n, kind in named.items() if kind in TYPES}


def _plain(value: Any, name: str) -> Any:
    """Return a value as JSON."""
    if isinstance(value, Mapping):
        return {_PAIRS: [[_plain(k, name), _plain(v, name)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(one, name) for one in value]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist(), name)
    try:
        json.dumps(value)
    except TypeError as error:
        hint = "give a number, text, or a list of them"
        what = f"{name} is a {type(value).__name__}, which no bundle can hold"
        raise Unfit(what, hint=hint) from error
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        return {_restored(k): _restored(v) for k, v in value[_PAIRS]}
    return [_restored(one) for one in value] if isinstance(value, list) else value
