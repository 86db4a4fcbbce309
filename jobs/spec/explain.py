"""The section ``[explain]``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.explaining.asked import Wanted
from jobs.spec.section import Columns, Integer, Section


class ExplainSpec(Section):
    """Say what the trained model looks at."""

    part: Literal["test", "valid", "train"] | None = Field(
        None,
        description="Whose rows are looked at. Left out: the test rows, or the validation rows, or "
        "the training rows, whichever there are.",
    )
    rows: Integer = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Rows of that part that are drawn; of a ranking whole queries. All below is "
        'told of them, but for `shap = "all"`.',
    )
    repeats: Integer = Field(
        5,
        ge=0,
        le=100,
        description="How often the values of each feature are shuffled, for the permutation "
        "importance: how much worse the first metric becomes. 0: not at all.",
    )
    shap: Literal["sample", "all", "none"] = Field(
        "sample",
        description="Mean absolute contribution of each feature (exact SHAP values, LightGBM "
        "only): of the rows that were drawn, of all rows of the part, or none.",
    )
    dependence: Columns | Annotated[Integer, Field(ge=0, le=100)] = Field(
        6,
        description="Features whose partial dependence is told, with the curves of single rows "
        "(ICE), by name; or of so many that matter most.",
    )
    grid: Integer = Field(
        20, ge=2, le=200, description="Values of a feature that its curve is told at, at most."
    )
    curves: Integer = Field(30, ge=0, le=500, description="Rows that have a curve of their own.")
    seed: Integer = Field(42, ge=0, description="Seed of the draws.")

    @property
    def wanted(self) -> Wanted:
        """What is wanted, in the words of `engine.explaining`."""
        return Wanted(
            self.rows,
            self.repeats,
            self.shap,
            self.dependence,
            self.grid,
            self.curves,
            self.seed,
        )
