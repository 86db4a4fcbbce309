"""The section ``[evaluate]``: what a model is worth, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from engine.evaluation.slices import MOST
from jobs.spec.predicting import Reference
from jobs.spec.problems import Problem
from jobs.spec.section import Columns, Flag, Section, Text

MOST_SLICINGS = 10
"""Columns and expressions that a model is sliced by: each has scores of its own in every task."""

EXISTING = ("model", "data", "target", "metric")
"""Keys that say which model is measured on what; those of ``[train]`` go with its own model."""


class EvaluateSpec(Section):
    """Measure the trained model, or one that is there already, beside baselines."""

    model: Reference | None = Field(
        None,
        description="Model and version that is measured, where there is no `[train]`: "
        "`models/x@latest` or `models/x@3`. Left out: the model of `[train]`, on its training, "
        "validation and test rows.",
    )
    data: Text | None = Field(
        None,
        description="With `model`: name of the labelled data, the `x` of `[data.x]`. All their "
        "rows with a label are `test` rows.",
    )
    target: Text | None = Field(
        None,
        description="With `model`: column of the label, or a Polars SQL expression for it. Left "
        "out: what the model was trained to predict. Of an anomaly model, which has learned none: "
        "1 for odd rows; left out: none is known.",
    )
    metric: Text | None = Field(
        None,
        description="With `model`: a metric that is measured too, and by which warnings judge. "
        "Left out: `metric` of the model's `[train]`.",
    )
    baseline: Flag = Field(
        True,
        description="Also measure a table of the best single feature and a linear model of all "
        "features, fitted on the sample of the training rows. The constant that is best on the "
        "training rows is always measured. With `model`: those that were fitted when it was "
        "trained, if that job had `[evaluate]`.",
    )
    by: Annotated[Columns, Field(max_length=MOST_SLICINGS)] = Field(
        (),
        description="Columns or Polars SQL expressions; the model is also measured on the held-out "
        f"rows of each value: of the {MOST} most frequent ones of the sample, and of all others "
        'together: `["carrier", "floor(distance / 500)"]`. (With `task = "ranking"` a query is '
        "the rows of it that have the value.)",
    )

    def model_problems(self, *, trains: bool) -> Iterator[Problem]:
        """Yield what does not go together in the choice of the model.

        Args:
            trains: Whether the job has ``[train]``.
        """
        if trains:
            for name in EXISTING:
                if getattr(self, name) is not None:
                    yield Problem((name,), "does not go with [train], whose model is measured")
        elif self.model is None:
            yield Problem((), "measures the model of [train], which is not there: or name a model")
        elif self.data is None:
            yield Problem(("data",), "is required with `model`: the rows that it is measured on")
