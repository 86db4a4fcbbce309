"""The protocol of feature steps: a spec that states its needs, and its fitted form.

A spec (`Step`) is what the job file says. ``fit`` turns it, with the statistics it asked for, into
a `Fitted`: plain numbers and names that go into the model bundle as JSON and yield Polars
expressions. The same expressions run in training and in scoring, so both see the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from engine.statistics.summary import Request, Summary


class Fitted(Protocol):
    """A step with its learned numbers."""

    def expressions(self) -> list[pl.Expr]:
        """Return the columns that the step replaces or adds."""

    def levels(self) -> Mapping[str, int]:
        """Return the columns that now hold category codes, with the number of codes."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; ``verb`` names the class."""


class Step(Protocol):
    """A step as the job file states it."""

    @property
    def columns(self) -> Sequence[str]:
        """Return the columns that the step works on."""

    def needs(self) -> Request:
        """Return the statistics that fitting needs; empty when it needs none."""

    def adds(self) -> list[str]:
        """Return the new columns that the step makes, beside those it replaces."""

    def check(self, schema: Mapping[str, pl.DataType], where: str) -> dict[str, pl.DataType]:
        """Return the types of the columns replaced and added; raises `SpecError` on a misfit."""

    def fit(self, summary: Summary, where: str) -> Fitted:
        """Return the fitted step; raises `ContractRefused` when the data do not allow it."""
