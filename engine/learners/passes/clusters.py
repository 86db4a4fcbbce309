"""dask-ml's KMeans: its k-means||, and Lloyd's steps as one pass each.

The first centres are those of `dask_ml.cluster.k_means.k_init`. Its draws are by row here, so that
they do not depend on how the rows were cut, and it starts with other defaults than dask-ml's: five
rounds that each take two candidates a cluster, which Bahmani et al. (2012, "Scalable k-means++",
section 5) found as good as more; dask-ml's own (two candidates a round, as many rounds as the
logarithm of the cost) finds too few of them for more than some ten clusters, and then takes rows at
random.

dask-ml's own Lloyd steps are not used: 10.8 s for a set on which scikit-learn takes 0.1, and they
move an empty cluster to 0, return the centres of the step before the last, and call a sum of
distances inertia (dask_ml 2025.1.0, cluster/k_means.py, `_kmeans_single_lloyd`; its loop over rows
is in numba since dask/dask-ml#344). Here a step is one task a partition that returns exact sums by
cluster: the centres are the same bits over any partitions. An empty cluster stays where it is.
``tol`` is scikit-learn's: a share of the mean variance of the features, so that their scale does
not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from engine.errors import ContractRefused
from engine.exact import ExactSum
from engine.learners.lesson import Assignment
from engine.learners.passes import params
from engine.learners.passes.matrices import Floats, Matrices
from engine.learners.passes.training import Fitted, Training
from engine.models.centres import Centres
from engine.plan import Partition
from engine.split import uniform

ROUNDS: Final = 5
"""Of k-means||; see above."""

OPTIONS: Final[params.Options] = {
    "n_clusters": params.whole(8),
    "init": params.one_of(("k-means||",), "dask-ml's k-means++ takes all rows into memory"),
    "oversampling_factor": params.whole(None),
    "max_iter": params.whole(300),
    "init_max_iter": params.whole(ROUNDS),
    "tol": params.above_zero(1e-4),
}

COPIES: Final = 4
"""Blocks held by a task: rows, a copy while columns are worked on, and two of slack; the distances
to candidates and centres apart."""


def check(assignment: Assignment) -> None:
    """Refuse what cannot be."""
    params.settings(assignment, OPTIONS)


def passes(assignment: Assignment) -> tuple[str, ...]:
    """Return what is read after the first look, in words."""
    given = params.settings(assignment, OPTIONS)
    return (
        "the variance of the features",
        f"the first centres, {2 + 2 * int(given['init_max_iter'])} passes",
        f"at most {given['max_iter']} steps of Lloyd's, a pass each",
        "the inertia",
    )


def candidates(assignment: Assignment) -> int:
    """Return how many centres a row is compared with at once, about and at most."""
    given = params.settings(assignment, OPTIONS)
    return 1 + 2 * int(_oversampling(given) * given["init_max_iter"]) + int(given["n_clusters"])


@dataclass(frozen=True)
class Assigned:
    """Rows by the nearest centre, as exact sums.

    Attributes:
        counts: Rows of each cluster, shape (clusters,).
        sums: Of each cluster and feature.
        inertia: Squared distances to the nearest centres.
    """

    counts: tuple[int, ...]
    sums: tuple[tuple[ExactSum, ...], ...]
    inertia: ExactSum

    def merge(self, other: Assigned) -> Assigned:
        """Return the sums of both sets of rows."""
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        sums = tuple(
            tuple(one + two for one, two in zip(own, others, strict=True))
            for own, others in zip(self.sums, other.sums, strict=True)
        )
        return Assigned(counts, sums, self.inertia + other.inertia)

    def centres(self, before: Floats) -> Floats:
        """Return the mean of each cluster; of one without rows, where it was before."""
        found = before.copy()
        for cluster, count in enumerate(self.counts):
            if count:
                found[cluster] = [float(one.fraction / count) for one in self.sums[cluster]]
        return found


@dataclass(frozen=True)
class Step:
    """What the tasks of a step share.

    Attributes:
        matrices: The rows.
        centres: Where clusters are, shape (clusters, features).
    """

    matrices: Matrices
    centres: Floats


def assigned(step: Step, partition: Partition) -> Assigned:
    """Give the rows of a partition to their nearest centres."""
    model, (clusters, features) = Centres(step.centres), step.centres.shape
    none = ExactSum()
    total = Assigned((0,) * clusters, ((none,) * features,) * clusters, none)
    for x, _ in step.matrices.blocks(partition):
        labels, distances = model.predict(x).T  # type: ignore[arg-type]
        order = np.argsort(labels, kind="stable")
        ends = np.searchsorted(labels[order], np.arange(clusters + 1))
        counts = tuple(int(count) for count in np.diff(ends))
        rows = [x[order[low:high]] for low, high in pairwise(ends)]
        sums = tuple(tuple(ExactSum.of(column) for column in own.T) for own in rows)
        total = total.merge(Assigned(counts, sums, ExactSum.of_squares(distances)))
    return total


def fit(training: Training) -> Fitted:
    """Find the centres.

    Raises:
        ContractRefused: There are fewer rows than clusters.
    """
    given = params.settings(training.assignment, OPTIONS)
    clusters, most = int(given["n_clusters"]), int(given["max_iter"])
    if training.matrices.rows < clusters:
        raise ContractRefused(
            f"{training.matrices.rows:,} training rows cannot make {clusters} clusters",
            where=f"{params.WHERE}.n_clusters",
        )
    (centres, still), history, shift = _first(training, given), [], np.inf
    for number in range(most):
        found = _step(training, centres)
        moved = found.centres(centres)
        shift, centres = float(((moved - centres) ** 2).sum()), moved
        history.append({"pass": float(number), "inertia": found.inertia.value, "shift": shift})
        if shift <= still:
            break
    last = _step(training, centres)
    notes = []
    if shift > still:
        notes.append(f"it has not converged in {most} steps; raise max_iter")
    if empty := last.counts.count(0):
        notes.append(f"{empty} of the {clusters} clusters have no rows; take fewer")
    told: dict[str, Any] = {"inertia": last.inertia.value, "rows_by_cluster": list(last.counts)}
    told |= {"steps": len(history), "passes": training.computing.passes}
    return Fitted(Centres(centres), tuple(history), tuple(notes), told)


def _step(training: Training, centres: Floats) -> Assigned:
    found = training.mapped(assigned, Step(training.matrices, centres))
    return _merged(found)


def _merged(found: Iterable[Assigned]) -> Assigned:
    first, *others = found
    for one in others:
        first = first.merge(one)
    return first


def _oversampling(given: dict[str, Any]) -> int:
    return int(given["oversampling_factor"] or 2 * given["n_clusters"])


def _first(training: Training, given: dict[str, Any]) -> tuple[Floats, float]:
    """Return the centres of dask-ml's k-means||, and the shift below which they stand still."""
    params.class_of(training.assignment.estimator.path)  # tells what is not installed
    from dask_ml.cluster.k_means import k_init

    with training.computing.in_charge():
        x = training.arrays(training.columns).x
        variance = float(x.var(axis=0).mean().compute())
        first: Floats = k_init(
            x,
            given["n_clusters"],
            init=given["init"],
            random_state=Draws(training.assignment.seed),
            max_iter=given["init_max_iter"],
            oversampling_factor=_oversampling(given),
        )
    return first, variance * float(given["tol"])


@dataclass
class Draws:
    """Draws by row, in place of the random state that k-means|| is given: it asks for three things.

    Attributes:
        seed: Equal seeds give equal draws.
        drawn: How often draws were asked for.
    """

    seed: int
    drawn: int = 0

    def uniform(self, size: int, chunks: Any) -> Any:
        """Return a number in [0, 1) for each row, a Dask array of these chunks."""
        import dask.array as da

        return da.arange(size, chunks=chunks).map_blocks(_drawn, self._next(), dtype=np.float64)

    def randint(self, low: int, high: int | None = None, chunks: Any = ()) -> Any:
        """Return one whole number below the only, or the higher, bound."""
        import dask.array as da

        least, bound = (0, low) if high is None else (low, high)
        return da.from_array(np.array(least + self._next() % (bound - least)), chunks=chunks)

    def choice(self, among: Any, size: int, replace: bool, chunks: Any) -> Any:
        """Return some of the row numbers, for want of candidates."""
        return np.random.default_rng(self._next()).choice(len(among), size, replace=replace)

    def _next(self) -> int:
        self.drawn += 1
        return self.seed + (self.drawn << 32)


def _drawn(numbers: Any, seed: int) -> Floats:
    return uniform(numbers.astype(np.uint64), seed)
