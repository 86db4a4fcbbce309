"""The section ``[profile]``: what is in the data."""

from __future__ import annotations

from pydantic import Field

from jobs.spec.section import Flag, Location, Section, Text
from jobs.spec.split import SplitSpec


class ProfileSpec(Section):
    """Look at every column of some data, in one pass."""

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    target: Text | None = Field(
        None,
        description="What is to be predicted: a column or a Polars SQL expression. Left out: the "
        "target of `[train]`, when it is of the same data.",
    )
    split: SplitSpec | None = Field(
        None,
        description="Split whose parts are compared: no key should be in two of them. Left out: "
        "the split of `[train]`, when it is of the same data.",
    )
    output: Location | None = Field(
        None, description="Folder for `profile.json` and `profile.html`. Left out: the run folder."
    )
    contract: Flag = Field(
        False, description="Also write `contract.toml`, a contract that the data meet."
    )
