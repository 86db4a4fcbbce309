"""What ``[profile]`` works on."""

from __future__ import annotations

from dataclasses import dataclass

from engine.data.dataset import Dataset
from engine.expression import columns_of
from engine.split import Split
from jobs.spec.job import (
    JobSpec,
    ProfileSpec,
)
from jobs.work.opening import open_data, split_of
from jobs.work.section import there


@dataclass(frozen=True)
class Profiling:
    """What ``[profile]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data.
        target: Expression of what is to be predicted, if any.
        time: Column that says when a row happened, if any.
        key: Columns that name a row.
        split: Split whose parts are compared, if any.
        width: A profile has no features.
        lookback: It looks at no earlier rows.
    """

    spec: ProfileSpec
    dataset: Dataset
    target: str | None
    time: str | None
    key: tuple[str, ...]
    split: Split | None
    width: int = 0
    lookback: int = 0

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return list(self.dataset.schema)


def open_profiling(job: JobSpec) -> Profiling:
    """Open the data of ``[profile]``.

    Raises:
        SpecError: Target or split do not fit the data.
        InputError: A file is damaged.
    """
    spec = there(job.profile)
    data_spec = job.data[spec.data]
    dataset = open_data(spec.data, data_spec, {})
    same = job.train if job.train and job.train.data == spec.data else None
    target = spec.target or (same.target if same else None)
    if target:
        dataset.require(columns_of(target, "profile.target"), f"profile.target = {target!r}")
    split_spec = spec.split or (same.split if same else None)
    # A stratified split needs a pass of its own over labels, and its parts look alike anyway.
    split = split_of(split_spec, data_spec, dataset) if split_spec else None
    if split and split.by == "stratified":
        split = None
    if split:
        dataset.require(split.columns, "profile.split")
    return Profiling(spec, dataset, target, data_spec.time, data_spec.key, split)
