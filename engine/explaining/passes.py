"""The pass that draws rows and adds up contributions, and the tasks for single features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from distributed import Client, as_completed

from engine.errors import Cancelled
from engine.explaining.asked import ExplainWork
from engine.explaining.contributions import Shap, contributed, shap
from engine.explaining.dependence import Dependence, dependence
from engine.explaining.drawn import Drawn
from engine.explaining.explanation import POINTS, SHOWN, Explanation
from engine.explaining.permutation import drops, measured
from engine.models import Trees
from engine.plan import Partition
from engine.reserved import ROW
from engine.tasks.execute import Done, in_order, over_partitions
from engine.training.preparing import PARTS, matrix

RETRIES = 2
"""How often Dask does a task again whose worker died."""


@dataclass(frozen=True)
class Found:
    """What a partition gives: rows of the sample, and sums of contributions."""

    drawn: Drawn
    shap: Shap

    def merge(self, other: Found) -> Found:
        """Return what both give."""
        return Found(self.drawn.merge(other.drawn), self.shap.merge(other.shap))


@dataclass(frozen=True)
class Sampled:
    """What the tasks for single features share."""

    work: ExplainWork
    rows: Drawn


def explain(
    client: Client,
    work: ExplainWork,
    partitions: Sequence[Partition],
    *,
    threads: int,
    progress: Callable[[Done[Found]], None],
    cancel: Callable[[], bool] = lambda: False,
) -> Explanation:
    """Explain a model on the cluster: one pass over the rows, then a task a feature.

    Args:
        client: An open Dask client.
        work: What is explained, and what is wanted.
        partitions: Partitions that hold rows of the part; at least one.
        threads: Threads of all workers together.
        progress: Called for every finished partition.
        cancel: Looked at between features.

    Raises:
        ModelError: Contributions are wanted, and the leaves of the model are linear.
        Cancelled: ``cancel`` said so.
    """
    total: Found | None = None
    for done in in_order(
        over_partitions(client, found_in, work, partitions, threads=threads), partitions
    ):
        progress(done)
        total = total.merge(done.result) if total else done.result
    assert total is not None
    rows = total.drawn.whole()
    shared = Sampled(work, rows)
    permuted = _permuted(client, shared, cancel)
    some = total.shap if work.wanted.shap == "all" else _shap(work, rows)
    means = dict(zip(work.bundle.pipeline.features, some.mean_sizes, strict=False))
    told = Explanation(
        work.part,
        rows.rows,
        rows.seen,
        work.measure.followed[0],
        measured(work.bundle, work.measure, rows),
        permuted,
        means,
        some.rows,
        _points(work, rows, means),
    )
    return replace(told, dependence=_dependence(client, shared, told, cancel))


def found_in(work: ExplainWork, partition: Partition) -> Found:
    """Draw from the rows of one partition, and add up their contributions. Runs inside a task."""
    labelled, bundle, wanted = work.data.read(partition), work.bundle, work.wanted
    chosen = labelled.parts == PARTS[work.part]
    frame = labelled.frame.filter(chosen)
    x = matrix(bundle.pipeline, frame)
    numbers = frame[ROW].to_numpy().astype(np.uint64)
    query = labelled.vectors.of(chosen).query
    drawn = Drawn.of(numbers, x, labelled.y[chosen], query, seed=wanted.seed, limit=wanted.rows)
    if wanted.shap != "all" or not isinstance(bundle.model, Trees) or not len(x):
        return Found(drawn, Shap())
    return Found(drawn, shap(bundle.model, x, bundle.model.predict(x)))


def _shap(work: ExplainWork, rows: Drawn) -> Shap:
    """Return the sums of contributions of the sample."""
    model = work.bundle.model
    if work.wanted.shap != "sample" or not isinstance(model, Trees):
        return Shap()
    return shap(model, rows.x, model.predict(rows.x))


def _points(
    work: ExplainWork, rows: Drawn, means: dict[str, float]
) -> dict[str, list[tuple[float | None, float]]]:
    """Return single contributions of the features that contribute most."""
    model, names = work.bundle.model, work.bundle.pipeline.features
    if not means or not isinstance(model, Trees):
        return {}
    x = rows.x[:POINTS]
    found = contributed(model, x, model.predict(x))
    top = sorted(range(len(names)), key=lambda at: -means[names[at]])[:SHOWN]
    return {
        names[at]: [
            (None if np.isnan(value) else float(f"{value:.6g}"), float(f"{amount:.6g}"))
            for value, amount in zip(x[:, at], found[:, at], strict=True)
        ]
        for at in top
    }


def _permuted(
    client: Client, shared: Sampled, cancel: Callable[[], bool]
) -> dict[str, list[float]]:
    names = shared.work.bundle.pipeline.features
    if not shared.work.wanted.repeats:
        return {}
    found = dict(_by_feature(client, _drops, shared, range(len(names)), cancel))
    return {name: found[at] for at, name in enumerate(names)}


def _dependence(
    client: Client, shared: Sampled, told: Explanation, cancel: Callable[[], bool]
) -> dict[str, Dependence]:
    asked, names = shared.work.wanted.dependence, shared.work.bundle.pipeline.features
    if isinstance(asked, int):
        matter = told.shap or {name: float(np.mean(d)) for name, d in told.permutation.items()}
        asked = tuple(sorted(matter, key=lambda name: -matter[name])[:asked])
    places = [names.index(name) for name in asked]
    found = dict(_by_feature(client, _curve, shared, places, cancel))
    return {names[at]: found[at] for at in places}


def _drops(shared: Sampled, feature: int) -> list[float]:
    """Shuffle one feature. Runs inside a task."""
    work = shared.work
    return drops(
        work.bundle,
        work.measure,
        shared.rows,
        feature,
        repeats=work.wanted.repeats,
        seed=work.wanted.seed,
    )


def _curve(shared: Sampled, feature: int) -> Dependence:
    """Compute the partial dependence on one feature. Runs inside a task."""
    work = shared.work
    return dependence(
        work.bundle,
        shared.rows,
        feature,
        grid=work.wanted.grid,
        curves=work.wanted.curves,
        category=feature in work.bundle.pipeline.categorical,
    )


def _by_feature(
    client: Client,
    function: Callable[[Sampled, int], Any],
    shared: Sampled,
    features: Sequence[int],
    cancel: Callable[[], bool],
) -> Iterator[tuple[int, Any]]:
    """Call a function for each feature on the workers; yield results as they come."""
    # A task of its own, not scattered data: Dask can make it again when its worker dies.
    common = client.submit(_same, shared, pure=False)
    futures = {
        client.submit(function, common, at, pure=False, retries=RETRIES): at for at in features
    }
    try:
        for future in as_completed(list(futures)):
            yield futures[future], future.result()
            if cancel():
                raise Cancelled(
                    "the run was cancelled while the model was explained",
                    hint="`millrace resume` goes on with it",
                )
    finally:
        with suppress(Exception):
            client.cancel([*futures, common])


def _same(shared: Sampled) -> Sampled:
    return shared
