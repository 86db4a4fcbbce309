"""All files of a fit together: classes and categories of all rows, partitions, and the sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.source import ShardPart
from engine.classes import assert_few, balanced, weights_by_class
from engine.errors import OutputRefused
from engine.estimator.columns import Columns
from engine.estimator.refusal import Unfit
from engine.estimator.source import SpooledRows, SpoolFile
from engine.estimator.spool import Spooled
from engine.estimator.tasks import here, on_dask
from engine.plan import Partition, Slice
from engine.queries import assert_whole, heads

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Collected:
    """The files of training and validation rows.

    Attributes:
        columns: The features.
        train: Files of training rows, in order.
        valid: Files of validation rows, in order; empty without them.
    """

    columns: Columns
    train: Sequence[Spooled]
    valid: Sequence[Spooled]

    @classmethod
    def of(cls, columns: Columns, train: Sequence[Spooled], valid: Sequence[Spooled]) -> Collected:
        """Put files together; those without rows are left out.

        Raises:
            Unfit: There are no training rows, or rows of a query stand apart.
            OutputRefused: A file is not in this machine's folder.
        """
        made = cls(columns, _filled(train), _filled(valid))
        if not made.train:
            raise Unfit("there are no rows to train on", hint="look at the filter and the frame")
        for files in (made.train, made.valid):
            assert_whole({"train": [one.runs for one in files]}, "qid")
        return made

    @cached_property
    def classes(self) -> npt.NDArray[Any]:
        """Classes of the training rows, sorted.

        Raises:
            ContractRefused: There are more than a model can have.
        """
        found = np.unique(np.concatenate([one.labels for one in self.train]))
        assert_few(len(found))
        return found

    def several_classes(self) -> npt.NDArray[Any]:
        """Return the classes.

        Raises:
            Unfit: There is one alone.
        """
        if len(self.classes) < 2:
            what = f"y holds one class, {self.classes.tolist()}; a classifier needs two"
            raise Unfit(what, hint="look at the labels and the filter")
        return self.classes

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return sum(one.rows for one in self.train)

    @cached_property
    def levels(self) -> dict[int, tuple[str, ...]]:
        """Categories of the training rows, sorted, by position of the feature."""
        return {
            i: tuple(sorted({text for one in self.train for text in one.levels[i]}))
            for i in self.columns.levelled
        }

    @cached_property
    def _codes(self) -> dict[int, dict[str, int]]:
        return {i: {text: n for n, text in enumerate(texts)} for i, texts in self.levels.items()}

    def class_weight(self, asked: Mapping[Any, float] | str | None) -> tuple[float, ...]:
        """Return the weight of each class.

        Args:
            asked: ``balanced``, weights by class, or None.
        """
        if asked is None:
            return ()
        if not isinstance(asked, str):
            return weights_by_class(dict(asked), self.classes.tolist(), "class_weight")
        if asked != "balanced":
            raise Unfit(f"class_weight is {asked!r}", hint='give "balanced" or a dictionary')
        rows = np.zeros(len(self.classes), np.int64)
        for one in self.train:
            rows[np.searchsorted(self.classes, one.labels)] += one.counts
        return balanced(rows.tolist())

    def source(self, class_weight: tuple[float, ...]) -> SpooledRows:
        """Return what ranks read."""
        every = [*self.train, *self.valid]
        vectors = frozenset[str]().union(*(one.vectors for one in every))
        return SpooledRows(
            self.columns.names,
            self.columns.categorical,
            vectors | ({"weight"} if class_weight else set()),
            {"train": self._files(self.train), "valid": self._files(self.valid)},
            class_weight,
            max(one.outputs for one in every),
        )

    def parts(self) -> list[ShardPart]:
        """Return the partitions: files of both kinds side by side, so that each rank has some."""
        rows: list[dict[str, int]] = [{} for _ in range(self._count)]
        for part, files in (("train", self.train), ("valid", self.valid)):
            head = heads([one.runs for one in files])
            for place, one, going_on in zip(self._places(files), files, head, strict=True):
                rows[place] |= {part: one.rows, f"{part}_head": going_on}
        counted = [found.get("train", 0) + found.get("valid", 0) for found in rows]
        firsts = accumulate(counted, initial=0)
        return [
            ShardPart(
                Partition(index, (Slice(index, 0, count, first),), count, 0, size, size),
                **{"train": 0, "valid": 0, **found},
            )
            for index, (found, count, first, size) in enumerate(
                zip(rows, counted, firsts, self._sizes(), strict=False)
            )
        ]

    def _sizes(self) -> list[int]:
        """Return the bytes of the files of each partition; they are mapped when they are read."""
        sizes = [0] * self._count
        for files in (self.train, self.valid):
            for place, one in zip(self._places(files), files, strict=True):
                sizes[place] += one.size
        return sizes

    def sample(self, most: int, seed: int, client: Any) -> Matrix:
        """Draw training rows; which ones does not depend on how the rows are cut.

        Args:
            most: Rows at most.
            seed: Of the draw.
            client: The cluster whose tasks read the files; None = this process.
        """
        ends = np.cumsum([one.rows for one in self.train])
        if ends[-1] > most:
            chosen = np.sort(np.random.default_rng(seed).choice(ends[-1], most, replace=False))
        else:
            chosen = np.arange(ends[-1])
        places = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        firsts = ends - [one.rows for one in self.train]
        calls = [
            (self._file(one), place - first)
            for one, place, first in zip(self.train, places, firsts, strict=True)
            if len(place)
        ]
        run = here if client is None else on_dask
        return np.concatenate(run(_drawn, None, calls, client))

    @property
    def _count(self) -> int:
        return max(len(self.train), len(self.valid))

    def _places(self, files: Sequence[Spooled]) -> list[int]:
        """Return the partition of each file, spread evenly."""
        return [i * self._count // len(files) for i in range(len(files))]

    def _files(self, files: Sequence[Spooled]) -> dict[int, SpoolFile]:
        return dict(zip(self._places(files), map(self._file, files), strict=True))

    def _file(self, one: Spooled) -> SpoolFile:
        labels = np.searchsorted(self.classes, one.labels) if len(one.labels) else np.empty(0)
        known = self.classes[np.minimum(labels.astype(int), len(self.classes) - 1)]
        if len(one.labels) and (odd := one.labels[known != one.labels]).size:
            raise Unfit(f"the label {odd[0]!r} of eval_set is in no training row")
        codes = {
            i: np.array([code.get(text, np.nan) for text in one.levels[i]], np.float32)
            for i, code in self._codes.items()
        }
        return SpoolFile(one.path, labels.astype(np.float32), codes)


def _drawn(_: None, file: SpoolFile, rows: npt.NDArray[np.int64]) -> Matrix:
    return file.matrix(rows)


def _filled(files: Sequence[Spooled]) -> list[Spooled]:
    for one in files:
        if one.rows and not (one.path.is_file() and one.path.stat().st_size == one.size):
            raise OutputRefused(
                "a worker wrote rows that are not in this machine's folder",
                where=str(one.path),
                hint="give scratch= a folder that the client and all workers share",
            )
    return [one for one in files if one.rows]
