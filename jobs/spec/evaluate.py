"""The section ``[evaluate]``: what a trained model is worth, and for whom."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.evaluation.slices import MOST
from jobs.spec.section import Columns, Flag, Section

MOST_SLICINGS = 10
"""Columns and expressions that a model is sliced by: each has scores of its own in every task."""


class EvaluateSpec(Section):
    """Measure the trained model on training, validation and test rows, beside baselines."""

    baseline: Flag = Field(
        True,
        description="Also measure a table of the best single feature and a linear model of all "
        "features, fitted on the sample. The constant that is best on the training rows is always "
        "measured.",
    )
    by: Annotated[Columns, Field(max_length=MOST_SLICINGS)] = Field(
        (),
        description="Columns or Polars SQL expressions; the model is also measured on the held-out "
        f"rows of each value: of the {MOST} most frequent ones of the sample, and of all others "
        'together: `["carrier", "floor(distance / 500)"]`. (With `task = "ranking"` a query is '
        "the rows of it that have the value.)",
    )
