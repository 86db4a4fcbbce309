"""One span in a worker: rows are read ahead while the estimator learns, batch after batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.boosting.source import Rows, RowSource
from engine.errors import MillraceError, TrainingFailed
from engine.learners.checked import Demands, labels, training_rows
from engine.learners.parameters import made
from engine.learners.streamed.order import Piece, Span, places
from engine.models.skops_files import packed, unpacked
from engine.plan import Partition


@dataclass(frozen=True)
class SpanWork:
    """A span, and what learns from it.

    Attributes:
        source: Reads the rows.
        span: Which rows.
        state: Skops file of the estimator so far; ``None``: it has learned nothing.
        name: The estimator, for messages.
        path: Import path of its class.
        params: Its parameters.
        task: What is learned.
        classes: Number of classes, 0 where there are none.
        seed: Of everything that draws.
        shuffled: Whether the rows of a batch change places.
    """

    source: RowSource
    span: Span
    state: bytes | None
    name: str
    path: str
    params: Mapping[str, Any]
    task: str
    classes: int
    seed: int
    shuffled: bool


def learn(work: SpanWork, _: Partition) -> bytes:
    """Return the estimator, as a skops file, after it has learned from a span.

    Raises:
        ContractRefused: The rows are not such as it wants.
        TrainingFailed: It failed.
    """
    if work.state is None:
        estimator = made(work.path, work.params, work.seed)
    else:
        estimator = unpacked(work.state, work.path)
    try:
        for number, rows in enumerate(_batches(work, Demands.of(work.name, estimator))):
            if work.shuffled:
                rows = _taken(rows, places(len(rows.x), work.span, number, work.seed))
            _learn(estimator, work, rows)
    except MillraceError:
        raise
    except ValueError as error:
        raise TrainingFailed(
            f"{work.name} failed: {error}",
            where=f"epoch {work.span.epoch + 1}",
            hint="look at train.params, and at features that are not scaled",
        ) from error
    return packed(estimator, work.path)


def _learn(estimator: Any, work: SpanWork, rows: Rows) -> None:
    """Let it learn from one batch."""
    x = rows.x.astype(np.float64)
    if work.task in ("clustering", "reduction"):
        weights = {} if rows.weight is None else {"sample_weight": rows.weight.astype(np.float64)}
        estimator.partial_fit(x, **weights)
        return
    more: dict[str, Any] = {"classes": np.arange(work.classes)} if work.classes else {}
    if rows.weight is not None:
        more["sample_weight"] = rows.weight.astype(np.float64)
    with np.errstate(divide="ignore"):  # naive Bayes: the logarithm of a class not yet seen
        estimator.partial_fit(x, labels(rows, work.task), **more)


def _batches(work: SpanWork, demands: Demands) -> Iterator[Rows]:
    """Yield the rows of each batch."""
    held: list[Rows] = []
    sizes = iter(work.span.sizes)
    wanted = next(sizes)
    for rows in _ahead(work, demands):
        held.append(rows)
        while wanted and sum(len(one.x) for one in held) >= wanted:
            joined = _joined(held)
            yield _taken(joined, slice(0, wanted))
            held = [_taken(joined, slice(wanted, None))]
            wanted = next(sizes, 0)


def _ahead(work: SpanWork, demands: Demands) -> Iterator[Rows]:
    """Yield the rows of each piece; the next one is read meanwhile."""

    def read(piece: Piece) -> Rows:
        rows = training_rows(work.source, piece.part, demands)
        if len(rows.x) != piece.part.train:
            what = f"{piece.part.train:,} training rows were counted, and {len(rows.x):,} are read"
            raise TrainingFailed(f"the data have changed: {what}", hint="run the job again")
        return _taken(rows, slice(piece.start, piece.stop))

    with ThreadPoolExecutor(1, "read-ahead") as pool:
        pieces = work.span.pieces
        coming = pool.submit(read, pieces[0])
        for following in (*pieces[1:], None):
            rows = coming.result()
            if following is not None:
                coming = pool.submit(read, following)
            yield rows


def _joined(held: Sequence[Rows]) -> Rows:
    if len(held) == 1:
        return held[0]
    weights = [one.weight for one in held if one.weight is not None]
    return Rows(
        np.concatenate([one.x for one in held]),
        np.concatenate([one.y for one in held]),
        np.concatenate(weights) if weights else None,
    )


def _taken(rows: Rows, which: Any) -> Rows:
    """Return some rows: a slice of them is a view."""
    weight = None if rows.weight is None else rows.weight[which]
    return replace(rows, x=rows.x[which], y=rows.y[which], weight=weight, init=None, query=None)
