"""What a model takes and says, as MLflow's signature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from engine.bundle import Bundle
from engine.schema import TYPES
from engine.scoring.added import prediction_columns

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.types import Schema


def signature(bundle: Bundle) -> ModelSignature:
    """Return the columns that scoring reads and those that it adds, with MLflow's types.

    Args:
        bundle: The model. A column is optional where its contract lets it be missing.
    """
    from mlflow.models import ModelSignature

    inputs = {name: _named(bundle.types.get(name, "string")) for name in bundle.pipeline.inputs}
    outputs = prediction_columns(bundle.task, bundle.classes or (), bundle.outputs)
    required = {name for name in inputs if _required(bundle, name)}
    return ModelSignature(_schema(inputs, required), _schema(outputs, set(outputs)))


def _required(bundle: Bundle, name: str) -> bool:
    rule = bundle.rules.get(name)
    return rule is not None and rule.nulls == 0.0


def _named(name: str) -> pl.DataType:
    """Return a type by its name; a decimal is a number like any other here."""
    return TYPES.get(name, pl.Float64() if name.startswith("decimal") else pl.String())


def _schema(columns: Mapping[str, pl.DataType], required: set[str]) -> Schema:
    from mlflow.types import ColSpec, Schema

    return Schema(
        [ColSpec(_type(kind), name, required=name in required) for name, kind in columns.items()]
    )


def _type(kind: pl.DataType) -> str:
    """Return MLflow's name of a type: a double where its own would be too narrow."""
    if kind == pl.Boolean:
        return "boolean"
    if kind.is_integer():
        narrow = (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16)
        return "integer" if kind in narrow else "double" if kind == pl.UInt64 else "long"
    if kind.is_float() or kind.is_decimal():
        return "float" if kind == pl.Float32 else "double"
    return "datetime" if kind.is_temporal() else "string"
