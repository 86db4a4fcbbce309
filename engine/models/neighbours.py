"""Clusters that are known by their samples: a row belongs to that of the nearest one."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import polars as pl

from engine.canonical import canonical
from engine.errors import ModelError
from engine.features.stored import arrow, table
from engine.models.learned import Scores, X

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SAMPLES: Final = "samples.arrow"
FACTS: Final = "neighbours.json"
_CLUSTER: Final = "cluster"

NONE: Final = -1
"""The cluster of a row that belongs to none."""

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Neighbours:
    """Samples and their clusters; an `engine.models.learned.Learned`.

    Attributes:
        samples: One row a sample: the features as float32 columns in their order, and ``cluster``
            (int32), -1 for samples that belong to none.
        radius: How far from a row its nearest sample may be (Euclidean); ``None``: anyhow far.
    """

    kind: ClassVar[str] = "neighbours"

    samples: bytes
    radius: float | None = None

    @classmethod
    def of(cls, x: X, clusters: np.ndarray, radius: float | None = None) -> Self:
        """Return the model of samples (n, features) and their clusters (n,)."""
        columns = {f"f{place}": x[:, place] for place in range(x.shape[1])}
        frame = pl.DataFrame(columns | {_CLUSTER: clusters.astype(np.int32)})
        return cls(arrow(frame), radius)

    @property
    def width(self) -> int:
        """Number of features."""
        return int(_tree(self.samples)[0].m)

    def predict(self, x: X) -> Scores:
        """Return the cluster of each row and the distance to its nearest sample.

        A row too far from all, or nearest to a sample without a cluster, has -1 and NaN.

        Raises:
            ModelError: A value is missing or infinite, or there are other features.
        """
        with _one_at_a_time:
            tree, clusters = _tree(self.samples)
        if x.shape[1] != tree.m:
            raise ModelError(f"the model has {tree.m} features, and the rows {x.shape[1]}")
        if not np.isfinite(x).all():
            raise ModelError(
                f"feature {int((~np.isfinite(x)).any(axis=0).argmax())} (from 0) has missing or "
                "infinite values, which this model does not take",
                hint="add an impute step to [features] and train again",
            )
        distance, nearest = tree.query(x.astype(np.float64))
        found = clusters[nearest]
        far = distance > (math.inf if self.radius is None else self.radius)
        found = np.where(far, NONE, found)
        return np.column_stack([found, np.where(found == NONE, math.nan, distance)])

    def files(self) -> Mapping[str, bytes]:
        """Return the samples as Arrow, and the radius."""
        return {SAMPLES: self.samples, FACTS: canonical({"radius": self.radius})}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(contents[SAMPLES], json.loads(contents[FACTS])["radius"])


@lru_cache(maxsize=8)
def _tree(samples: bytes) -> tuple[cKDTree, np.ndarray]:
    """Return the samples, laid out for the search, and their clusters."""
    from scipy.spatial import cKDTree  # slow to load

    frame = table(samples)
    clusters = frame.drop_in_place(_CLUSTER).to_numpy()
    return cKDTree(frame.to_numpy().astype(np.float64)), clusters
