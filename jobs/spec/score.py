"""The section ``[score]``: what a model predicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from jobs.spec.output import FilesSpec
from jobs.spec.predicting import PREDICTION, PROBABILITY, PredictingSpec
from jobs.spec.problems import Problem, refuse
from jobs.spec.section import Columns, Flag, Text


class ScoreSpec(FilesSpec, PredictingSpec):
    """Predict every row of some data."""

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    columns: Columns = Field(
        (),
        description="Columns of the data that are passed through, after the key and in front of "
        f"`{PREDICTION}` and `{PROBABILITY}`.",
    )
    on_bad_rows: Literal["quarantine", "fail"] | None = Field(
        None,
        description="What to do with rows that break the contract. Left out: what the section of "
        "the data says.",
    )
    on_bad_part: Literal["quarantine", "fail"] = Field(
        "fail",
        description="What to do with a part that fails for its own sake: its file is damaged, the "
        "model fails on it, or it fails three times. `quarantine`: it is tried once more when all "
        "others are finished, then its rows go to quarantine with the reason `part failed: ...`, "
        "and rows that cannot be read are counted by file and range in the manifest; both count "
        "for `max_bad`.",
    )

    statistics: Flag = Field(
        True,
        description="Gather statistics of every input and every prediction while rows are scored, "
        "in `statistics.json` beside the manifest: missing values, least and largest value of all "
        "rows; mean, quantiles, histogram and levels of a sample of up to 32,768 rows. A result "
        "that is there already is not scored again for them.",
    )
    rename: dict[Text, Text] = Field(
        {},
        description="New names of columns of the output, passed through or added: "
        f'`{{ {PREDICTION} = "late", {PROBABILITY} = "p" }}`.',
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self.model_problems(), *self._taken(), *self._renamed_alike(), *self._listed()])
        return self

    def _taken(self) -> Iterator[Problem]:
        if not self.adds_unnamed:
            return
        for place, name in enumerate(self.columns):
            if name in (PREDICTION, PROBABILITY):
                what = f"{name!r} is the name of a column that scoring adds"
                yield Problem(("columns", place), what)

    def _listed(self) -> Iterator[Problem]:
        if self.leaves and self.format.startswith("csv"):
            yield Problem(("leaves",), "adds lists, which do not go into CSV: write Parquet")

    def _renamed_alike(self) -> Iterator[Problem]:
        counts = Counter(self.rename.values())
        for old, new in self.rename.items():
            if counts[new] > 1:
                yield Problem(("rename", old), f"several columns are to be called {new!r}")
