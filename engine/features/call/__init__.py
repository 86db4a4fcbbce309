"""Columns by the user's own code, for the Python API alone: a job file holds no code."""

from __future__ import annotations

from collections.abc import Mapping

from engine.features.call.expression import Expressed, Expression
from engine.features.call.function import VARIABLE, Called, Function, allow, is_allowed
from engine.features.step import Fitted, Step

__all__ = ["FITTED", "METHODS", "VARIABLE", "Expression", "Function", "allow", "is_allowed"]

METHODS: Mapping[str, type[Step]] = {"function": Function, "expression": Expression}
FITTED: tuple[type[Fitted], ...] = (Called, Expressed)
