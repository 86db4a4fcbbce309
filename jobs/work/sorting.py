"""The section ``[sort]`` as engine objects: its data opened, its columns checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.dataset import Dataset
from engine.plan import Partition
from jobs.spec.job import DataSpec, SortSpec
from jobs.work.opening import open_data


@dataclass(frozen=True)
class Sorting:
    """What ``[sort]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data.
        width: A sort has no features.
        lookback: It looks at no earlier rows.
    """

    spec: SortSpec
    dataset: Dataset
    width: int = 0
    lookback: int = 0

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return list(self.dataset.schema)


def open_sorting(spec: SortSpec, data: DataSpec) -> Sorting:
    """Open the data of ``[sort]``.

    Args:
        spec: The section.
        data: The section of its data.

    Raises:
        SpecError: A column to sort by is not there.
        InputError: A file is damaged, or files do not fit together.
    """
    dataset = open_data(spec.data, data, {})
    dataset.require(spec.by, "sort.by")
    return Sorting(spec, dataset)


def passes(parts: Sequence[Partition]) -> int:
    """Return how often a sort goes over the rows; a single partition has no ranges to look for."""
    return 3 if len(parts) > 1 else 2
